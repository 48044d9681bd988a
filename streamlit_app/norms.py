"""Words of pages for each norm."""

from typing import NamedTuple

from plumage.contract import NORM_NAMES


class NormText(NamedTuple):
    """The words for a norm: its name, and what it does, in one sentence."""

    name: str
    effect: str


EFFECTS = {
    "bn": "Evens out each channel over a batch of photos.",
    "in": "Evens out each channel of each photo.",
    "bin": "Mixes batch and instance norm, as learned for each channel.",
    "ln": "Evens out all channels of a photo together.",
    "gn": "Evens out groups of a photo's channels.",
    "nn": "Evens out nothing.",
    "torch-bn": "Batch norm as PyTorch has it, to check ours by.",
}


def norm_text(norm: str) -> NormText:
    """The words for a norm by its key, also for one that is not of the study."""
    if norm in NORM_NAMES:
        return NormText(NORM_NAMES[norm], EFFECTS[norm])
    return NormText("another norm", "Not one of the study's seven norms.")

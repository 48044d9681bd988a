"""What pages say of each norm."""

from typing import NamedTuple


class NormText(NamedTuple):
    """The words for a norm: its name, and what it does, in one sentence."""

    name: str
    effect: str


# The study's seven, in its order.
NORMS = {
    "bn": NormText("batch norm", "Evens out each channel over a batch of photos."),
    "in": NormText("instance norm", "Evens out each channel of each photo."),
    "bin": NormText(
        "batch-instance norm", "Mixes batch and instance norm, as learned for each channel."
    ),
    "ln": NormText("layer norm", "Evens out all channels of a photo together."),
    "gn": NormText("group norm", "Evens out groups of a photo's channels."),
    "nn": NormText("no norm", "Evens out nothing."),
    "torch-bn": NormText("built-in batch norm", "Batch norm as PyTorch has it, to check ours by."),
}
OTHER = NormText("another norm", "Not one of the study's seven norms.")


def norm_text(norm: str) -> NormText:
    """The words for a norm by its key, also for one that is not of the study."""
    return NORMS.get(norm, OTHER)

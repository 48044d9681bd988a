"""Text in Markdown, where names and faults of files are shown as they are."""

import re
import unicodedata
from collections.abc import Collection

from streamlit_app.species import FACTS, common_name


def escape_markdown(text: str) -> str:
    """Escape whatever Markdown would act on."""
    # Streamlit replaces `:name:` by an emoji or icon after backslashes are gone.
    text = re.sub(r":(?=[\w/+-]+:)", ":\u2060", text)
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


def isolated(name: str) -> str:
    """A name for a line of text: one from right to left does not turn what follows it."""
    turns = any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in name)
    return f"\u2068{name}\u2069" if turns else name


def escaped_name(species: str, classes: Collection[str] = FACTS) -> str:
    """A species' name as people write it, for Markdown; classes: all of the model."""
    return escape_markdown(isolated(common_name(species, classes)))

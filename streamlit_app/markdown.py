"""Text in Markdown, where names and faults of files are shown as they are."""

import re

from streamlit_app.species import common_name


def escape_markdown(text: str) -> str:
    """Escape whatever Markdown would act on."""
    # Streamlit replaces `:name:` by an emoji or icon after backslashes are gone.
    text = re.sub(r":(?=[\w/+-]+:)", ":\u2060", text)
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


def escaped_name(species: str) -> str:
    """A species' name as people write it, for Markdown."""
    return escape_markdown(common_name(species))

"""Pictures to try, drawn by `python -m docs.examples`."""

import base64
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import streamlit as st

from streamlit_app.ui.photo import Photo, keep_other

FOLDER = Path(__file__).parents[1] / "examples"
# What a visitor reads, by the file's name.
EXAMPLES = {
    "bird": "Bird",
    "distant": "Distant bird",
    "none": "No bird",
    "doubtful": "Doubtful bird",
}
KNOWN = "White-Breasted-Kingfisher"  # the bird on the first
STYLE = """
.st-key-examples { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: .5rem;
    max-width: 32rem; }
.st-key-examples button { width: 100%; height: 6.5rem; padding: 4.25rem .125rem .25rem;
    background-position: center .25rem; background-size: auto 4rem; background-repeat: no-repeat; }
.st-key-all-examples { max-width: 32rem; }
.st-key-all-examples button { height: 6.5rem; padding: 4.25rem .125rem .25rem;
    background-position: 4% .25rem, 34% .25rem, 66% .25rem, 96% .25rem;
    background-size: auto 4rem; background-repeat: no-repeat; }
.st-key-examples button p, .st-key-all-examples button p { font-size: .75rem; line-height: 1.1; }
"""


def examples(species: Collection[str]) -> list[Photo]:
    """The pictures, for variants that know the bird on them."""
    if KNOWN not in species:
        return []
    files = [FOLDER / f"{name}.webp" for name in EXAMPLES]
    return [Photo(file.name, file.read_bytes()) for file in files if file.is_file()]


def choose_example(species: Collection[str]) -> None:
    """A row of pictures to try, each a button that makes it the session's photo."""
    if not (shown := examples(species)):
        return
    rules = [STYLE]
    with st.container(key="examples"):
        for photo in shown:
            name = Path(photo.name).stem
            rules.append(_background(f"example-{name}", [photo]))
            st.button(
                EXAMPLES[name],
                key=f"example-{name}",
                on_click=keep_other,
                args=(photo,),
                width="stretch",
            )
    st.html(f"<style>{''.join(rules)}</style>")


def choose_all_examples(photos: Sequence[Photo], take: Callable[[Sequence[Photo]], None]) -> None:
    """One button with all pictures on it; take: its callback."""
    st.html(f"<style>{STYLE}{_background('all-examples', photos)}</style>")
    st.button(
        "Try the examples", key="all-examples", on_click=take, args=(photos,), width="stretch"
    )


def _background(key: str, photos: Sequence[Photo]) -> str:
    """The rule that draws pictures onto a button."""
    urls = [f"url(data:image/webp;base64,{base64.b64encode(p.data).decode()})" for p in photos]
    return f".st-key-{key} button {{ background-image: {', '.join(urls)}; }}"

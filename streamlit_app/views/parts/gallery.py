"""The gallery of telling test photos, where `python -m trainer.explain` made one."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from streamlit_app.inference.classifier import CheckpointError, Version
from streamlit_app.inference.saliency import visible
from streamlit_app.markdown import escape_markdown
from streamlit_app.ui.gallery import Exhibit, caption, captions
from streamlit_app.ui.heatmaps import overlay
from streamlit_app.ui.photo import Photo, keep_other
from streamlit_app.ui.state import decoded_or_fault, or_retry, predict

STRENGTH = 0.7  # how opaque the hottest colour is
STYLE = """<style>
.st-key-misled { display: grid; gap: 1.5rem 1rem;
    grid-template-columns: repeat(auto-fill, minmax(max(8rem, 17%), 1fr)); }
</style>"""


def choose_exhibit(shown: dict[str, Exhibit]) -> None:
    """Choose a photo of the gallery, by name, to be the session's."""

    def choose() -> None:
        if name := st.session_state.gallery:
            keep_exhibit(name, shown[name])

    if shown:
        st.selectbox(
            "Gallery",
            list(shown),
            index=None,
            key="gallery",
            format_func=captions(shown).__getitem__,
            placeholder="Correct, wrong and doubtful predictions of this model",
            on_change=choose,
        )


def keep_exhibit(name: str, exhibit: Exhibit) -> None:
    """Make a photo of the gallery the session's; for callbacks."""
    keep_other(Photo(name, exhibit.path.read_bytes()))
    st.query_params["gallery"] = name


def keep_linked(shown: dict[str, Exhibit]) -> None:
    """Make the photo of the gallery that a link names the session's, and run the page again."""
    if (name := st.query_params.get("gallery")) in shown:
        keep_exhibit(name, shown[name])
        st.rerun()


def show_mistakes(shown: dict[str, Exhibit], variant: str, version: Version) -> None:
    """Wrong predictions of the gallery, one a species, each with the evidence for it."""
    wrong = {e.species: (name, e) for name, e in reversed(shown.items()) if e.kind == "wrong"}
    if not wrong:
        return
    st.subheader("Wrong predictions", anchor=False)
    st.html(STYLE)
    with st.container(key="misled"), or_retry():
        for name, exhibit in wrong.values():
            with (card := st.container(gap="xsmall")):
                try:
                    show_exhibit(name, exhibit, variant, version, card)
                except CheckpointError as error:
                    st.warning(escape_markdown(str(error)))
                    return


def show_exhibit(
    name: str, exhibit: Exhibit, variant: str, version: Version, card: DeltaGenerator
) -> None:
    """One gallery photo with its map, and a button that chooses it; raises CheckpointError."""
    data = exhibit.path.read_bytes()
    if (photo := decoded_or_fault(data, card)) is None:
        return
    prediction = predict(data, variant, version)
    heatmap = prediction.heatmap(0, prediction.ranking(0)[0][0])
    st.image(
        overlay(photo, visible(heatmap), STRENGTH),
        width="stretch",
        output_format="JPEG",
        alt=f"{caption(exhibit)}; bright colours mark the evidence for the prediction",
    )
    words = escape_markdown(caption(exhibit))
    st.button(words, key=name, on_click=keep_exhibit, args=(name, exhibit), width="stretch")

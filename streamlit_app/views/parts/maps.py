"""Maps of every variant, and how far maps are to be believed."""

from pathlib import Path

import streamlit as st
from PIL import Image

from plumage.photos import shrunk
from streamlit_app.inference.classifier import CheckpointError
from streamlit_app.inference.saliency import SaliencyError, visible
from streamlit_app.markdown import escape_markdown, escaped_name
from streamlit_app.results.reading import ResultsError
from streamlit_app.results.saliency import (
    methods_sentence,
    outer_chart,
    outer_shares,
    read_explained,
)
from streamlit_app.species import common_name
from streamlit_app.ui.heatmaps import overlay, reserve_space_css
from streamlit_app.ui.saliency import Asked, heatmap_of
from streamlit_app.ui.state import Served, predict, show_chart, variant_label
from streamlit_app.views.parts.prediction import card_text

STRENGTH = 0.7  # how opaque the hottest colour is
CARD_SIDE = 512  # pixels of a photo that is shown a seventh as wide as the page
MAX_CARD_HEIGHT = 20  # rem, of a photo
# Two cards beside each other on a phone, seven on a desk.
STYLE = """<style>
.st-key-cards { display: grid; gap: 1.5rem 1rem;
    grid-template-columns: repeat(auto-fill, minmax(max(8rem, 12%), 1fr)); }
</style>"""


def show_cards(photo: Image.Image, asked: Asked, served: Served) -> None:
    """Every variant's map of the species, with its probability."""
    species, classes = asked.species, next(iter(served.variants.values())).species
    small = shrunk(photo, CARD_SIDE)
    st.subheader(f"Evidence for {escaped_name(species, classes)} in each variant", anchor=False)
    pictures = ".st-key-cards .stElementContainer:has(.stImage)"
    st.html(STYLE + reserve_space_css(pictures, photo, MAX_CARD_HEIGHT))
    with st.container(key="cards"):
        for name, variant in served.variants.items():
            with st.container(gap="xsmall"):
                label = variant_label(name, variant.norm)
                try:
                    heatmap = heatmap_of(asked._replace(variant=name))
                except SaliencyError as error:
                    st.markdown(f":small[{label}]")
                    st.warning(str(error))
                    continue
                except CheckpointError as error:
                    st.warning(escape_markdown(str(error)))
                    continue
                st.image(
                    overlay(small, visible(heatmap), STRENGTH),
                    width="stretch",
                    output_format="JPEG",
                    alt="Your photo; bright colours mark the evidence for "
                    f"{common_name(species, classes)} in {name}",
                )
                prediction = predict(asked.data, name, asked.version, asked.box)
                st.markdown(card_text(label, prediction, species))


def show_faithfulness(folder: Path, variant: str) -> None:
    """Measurements of maps on test photos: which methods to believe, where maps lie."""
    try:
        found = read_explained(folder)
    except ResultsError as error:
        st.warning(str(error))
        return
    if found is None:
        return
    st.subheader("Faithfulness of the maps", anchor=False)
    left, right = st.columns(2, gap="medium")
    shares = outer_shares(found)
    if len(shares):
        with left:
            show_chart(
                outer_chart(shares, found["even_outer_share"]),
                "Share of each variant's maps in the photo's outer tenth, for correct and wrong "
                "predictions",
                shares,
                "outer-tenth",
            )
    right.markdown(
        "Where the mark of the wrong predictions is further right, their maps lie at the photo's "
        "edge more often than those of the correct ones. The dashed line is a uniform map.\n\n"
        + methods_sentence(found, variant)
    )

"""Upload a photo, read which bird it is, and see where the network looked."""

import streamlit as st
from PIL import Image

from streamlit_app.charts import percent, probability_bars
from streamlit_app.classifier import Answer, readable
from streamlit_app.heatmaps import CSS_GRADIENT, overlay
from streamlit_app.photos import PhotoError
from streamlit_app.serving import answer_to, described, photo_in, variants_to_serve


def forget_other() -> None:
    """A new photo starts with the heatmap of its own answer."""
    st.session_state.other = None


def show_guide(species: tuple[str, ...]) -> None:
    """What there is to see before a photo is chosen."""
    st.markdown(
        "Plumage names the bird on your photo and paints over it what it looked at. "
        "It does best where the bird fills about half the photo."
    )
    st.subheader(f"The {len(species)} birds it knows", anchor=False)
    st.markdown(" ".join(f":green-badge[{readable(name)}]" for name in sorted(species)))


def show_answer(ranking: list[tuple[str, float]]) -> None:
    """The likeliest species in large letters, and the first five as bars."""
    best, probability = ranking[0]
    st.header(f"{readable(best)}, {percent(probability)}", anchor=False)
    first_five = [(readable(species), probability) for species, probability in ranking[:5]]
    # Without Streamlit's own theme: its light labels are too pale for contrast AA.
    st.altair_chart(probability_bars(first_five), theme=None, alt="The five most likely species")


def show_heatmap(photo: Image.Image, answer: Answer) -> None:
    """The photo with the heatmap of the likeliest species, or of another one chosen."""
    other = st.selectbox(
        "Why not another bird?",
        sorted(answer.species),
        index=None,
        format_func=readable,
        placeholder="Choose one to see what speaks for it",
        key="other",
    )
    species = other or answer.ranking(0)[0][0]
    heatmap = answer.heatmap(0, species)
    frame, legend = st.empty(), st.empty()
    strength = st.slider("Strength of the heatmap", 0, 100, 60, 5, "%d%%", key="strength")
    frame.image(
        overlay(photo, heatmap, strength / 100),
        width="stretch",
        output_format="JPEG",
        alt=f"Your photo; bright colours mark what speaks for {readable(species)}",
    )
    if heatmap.any():
        legend.html(
            f"What speaks for <b>{readable(species)}</b>"
            '<div style="display:flex; gap:.6em; align-items:center; font-size:.875em">a little'
            f'<span style="flex:1; height:.6em; border-radius:.3em; background:{CSS_GRADIENT}">'
            "</span>most</div>"
        )
    else:
        legend.markdown(f"Nothing on this photo speaks for **{readable(species)}**.")


st.title("Which bird is this?", anchor=False)
variants, stamp = variants_to_serve()
left, right = st.columns([4, 3], gap="medium")
with left:
    upload = st.file_uploader(
        "A photo of a bird",
        type=["jpg", "jpeg", "png", "webp"],
        key="photo",
        on_change=forget_other,
    )
    variant = next(iter(variants))
    if len(variants) > 1:
        variant = st.selectbox(
            "Model",
            list(variants),
            format_func=lambda name: described(name, variants[name].norm),
            key="variant",
        )
photo = None
if upload is not None:
    try:
        photo = photo_in(upload.getvalue())
    except PhotoError as error:
        left.error(str(error))
if upload is None or photo is None:
    with right:
        show_guide(variants[variant].species)
    st.stop()

answer = answer_to(upload.getvalue(), variant, stamp)
with left:
    show_answer(answer.ranking(0))
with right:
    show_heatmap(photo, answer)

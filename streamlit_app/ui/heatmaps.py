"""A heatmap laid over its photo: where the network saw a species."""

import re
import textwrap
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

# Inferno's colours at equal steps, as matplotlib has them: told apart by colour-blind eyes, and
# each lighter than the one before. The darkest are left out, they look like shadows on a photo.
_STOPS = ((66, 10, 104), (147, 38, 103), (221, 81, 58), (252, 165, 10), (252, 255, 164))
_GRADIENT = "linear-gradient(to right, " + ", ".join(f"rgb{stop}" for stop in _STOPS) + ")"
# The colours from cold to hot in a page, with words at both ends.
LEGEND = (
    '<div style="display:flex; gap:.6em; align-items:center; font-size:.875em">a little'
    f'<span style="flex:1; height:.6em; border-radius:.3em; background:{_GRADIENT}"></span>'
    "most</div>"
)
SOURCE_SANS = "static/**/SourceSansVF-Upright*.woff2"
MAX_HEIGHT = 36  # rem, of a photo: the rest of the page stays in sight
UNASSIGNED = "\U0010ffff"  # no letter: each font draws its box for it
LEFT_OFF = "Names in a script that this picture has no font for are left off."


def reserve_space_css(places: str, photo: Image.Image, max_height: int = MAX_HEIGHT) -> str:
    """Style that keeps a picture's place until it has loaded, so that nothing jumps.

    places: a CSS selector. max_height: in rem; a photo that would be higher is made narrower.
    """
    ratio = photo.width / photo.height
    width = f"max-width: {max_height * ratio:.2f}rem"
    return f"<style>{places} {{ aspect-ratio: {ratio:.4f}; {width}; }}</style>"


def _palette() -> list[int]:
    """256 colours from cold to hot, as Pillow wants them: r, g, b, r, g, b, ..."""
    at = np.linspace(0, len(_STOPS) - 1, 256)
    channels = [np.interp(at, range(len(_STOPS)), channel) for channel in zip(*_STOPS, strict=True)]
    return np.rint(np.stack(channels, axis=1)).astype(int).ravel().tolist()


_PALETTE = _palette()


def overlay(photo: Image.Image, heatmap: np.ndarray, strength: float) -> Image.Image:
    """The photo with the heatmap stretched over it.

    photo: RGB. heatmap: (h, w) float, non-negative, of any scale; its largest value gets the
    hottest colour. strength: 0 to 1, how opaque that colour is; cooler ones are more transparent
    in proportion, so that the photo stays visible. A heatmap of zeros leaves the photo as it is.
    """
    largest = heatmap.max()
    scaled = heatmap / largest if largest > 0 else heatmap
    stretched = Image.fromarray(scaled.astype(np.float32)).resize(
        photo.size, Image.Resampling.BICUBIC
    )
    smooth = np.asarray(stretched).clip(0, 1)  # bicubic overshoots a little at both ends
    heat = Image.fromarray(np.rint(smooth * 255).astype(np.uint8))
    colours = heat.copy()
    colours.putpalette(_PALETTE)
    opacity = heat.point(lambda value: round(value * strength))
    return Image.composite(colours.convert("RGB"), photo, opacity)


@cache
def caption_font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The page's font, which Streamlit ships; Pillow's own, of fewer letters, where it is gone."""
    found = find_spec("streamlit")
    fonts = Path(found.origin if found and found.origin else "").parent.glob(SOURCE_SANS)
    with suppress(StopIteration, OSError):
        return ImageFont.truetype(next(fonts), size)
    return ImageFont.load_default(size)


def legible(words: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The words, those left off whose letters the font lacks, which would be drawn as boxes."""
    box = bytes(font.getmask(UNASSIGNED))
    lacking = {letter for letter in set(words) if bytes(font.getmask(letter)) == box}
    if not lacking:
        return words
    shown = " ".join("…" if lacking & set(word) else word for word in words.split())
    return f"{re.sub('…( …)+', '…', shown)} {LEFT_OFF}"


def captioned(picture: Image.Image, words: str) -> Image.Image:
    """The RGB picture on white, at least 320 pixels wide, with words below it."""
    width = max(320, picture.width)
    size = max(14, width // 32)
    font = caption_font(size)
    text = "\n".join(textwrap.wrap(legible(words, font), int((width - size) / (0.55 * size))))
    _, _, _, bottom = ImageDraw.Draw(picture).multiline_textbbox((0, 0), text, font)
    whole = Image.new("RGB", (width, picture.height + round(bottom) + size), "white")
    whole.paste(picture, ((width - picture.width) // 2, 0))
    place = size // 2, picture.height + size // 2
    ImageDraw.Draw(whole).multiline_text(place, text, "black", font)
    return whole

import numpy as np
import pytest
from PIL import Image

from streamlit_app.ui import heatmaps
from streamlit_app.ui.heatmaps import LEFT_OFF, caption_font, legible
from tests.conftest import draw_bird

FONT = caption_font(20)
GREY = Image.new("RGB", (80, 60), (128, 128, 128))


def overlay(photo: Image.Image, heatmap: np.ndarray, strength: float) -> np.ndarray:
    """(height, width, 3) int: the blended pixels."""
    return np.asarray(heatmaps.overlay(photo, heatmap, strength)).astype(int)


@pytest.mark.parametrize(("size", "widest"), [((100, 400), "9.00rem"), ((400, 100), "144.00rem")])
def test_a_photo_keeps_its_shape_and_is_narrower_before_it_is_too_tall(
    size: tuple[int, int], widest: str
) -> None:
    style = heatmaps.reserve_space_css(".place", Image.new("RGB", size), max_height=36)
    assert f".place {{ aspect-ratio: {size[0] / size[1]:.4f}; max-width: {widest};" in style


def test_the_overlay_has_the_photos_size_and_leaves_the_photo_alone() -> None:
    photo = draw_bird(size=(90, 50))
    assert heatmaps.overlay(photo, np.eye(6), 1.0).size == (90, 50)
    assert photo == draw_bird(size=(90, 50))


@pytest.mark.parametrize(("heatmap", "strength"), [(np.ones((6, 6)), 0.0), (np.zeros((6, 6)), 1.0)])
def test_no_strength_or_no_heat_shows_the_photo(heatmap: np.ndarray, strength: float) -> None:
    assert heatmaps.overlay(draw_bird(), heatmap, strength) == draw_bird()


def test_cold_places_show_the_photo_and_the_hottest_is_yellow() -> None:
    heatmap = np.zeros((6, 8), np.float32)
    heatmap[:2, :2] = 7.0
    blended = overlay(GREY, heatmap, 1.0)
    red, green, blue = blended[4, 4]
    assert min(red, green) > 240
    assert blue < 200
    assert (blended[50, 70] == 128).all()


def test_the_scale_of_a_heatmap_does_not_matter() -> None:
    heatmap = np.random.default_rng(0).random((6, 6)).astype(np.float32)
    assert np.array_equal(overlay(GREY, heatmap, 0.5), overlay(GREY, heatmap * 1e-6, 0.5))


def test_more_strength_takes_the_photo_further_from_itself() -> None:
    heatmap = np.random.default_rng(0).random((6, 6))
    blends = [overlay(GREY, heatmap, s) for s in (0.0, 0.3, 0.6, 1.0)]
    distances = [int(np.abs(blend - 128).sum()) for blend in blends]
    assert distances == sorted(set(distances))


def test_opacity_and_lightness_grow_with_the_heat() -> None:
    ramp = np.linspace(0, 1, 32)[None, :]
    on_black = overlay(Image.new("RGB", (320, 10)), ramp, 1.0)[5].sum(axis=1)
    assert (np.diff(on_black) >= 0).all()


def test_a_heatmap_is_stretched_without_blocks() -> None:
    heatmap = np.zeros((4, 4))
    heatmap[1, 1] = 1.0
    steps = np.abs(np.diff(overlay(Image.new("RGB", (400, 400)), heatmap, 1.0), axis=1))
    assert steps.max() < 20


def test_a_heatmap_follows_the_photos_shape() -> None:
    heatmap = np.zeros((4, 4))
    heatmap[0, 3] = 1.0
    changed = np.abs(overlay(GREY, heatmap, 1.0) - 128).sum(axis=2)
    assert changed[:15, 60:].sum() > 0.7 * changed.sum()


@pytest.mark.parametrize("name", ["नीलकंठ", "இந்திய காட்டுக் காகம்", "翠鸟"])
def test_a_name_that_no_font_can_write_is_left_off_the_caption_with_a_sentence(name: str) -> None:
    said = legible(f"{name}, 85%, by Plumage's bn. Evidence for {name}, 85%.", FONT)
    assert said == f"… 85%, by Plumage's bn. Evidence for … 85%. {LEFT_OFF}"


def test_the_caption_has_the_letters_of_european_names() -> None:
    words = "Grèbe huppé, Müllers Ötzi, Żołna, Ōruri, 85%"
    assert legible(words, FONT) == words

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from streamlit_app.ui.cropping import crop_box, marked, outlined

SIDE = st.integers(1, 1024)
SHARE = st.floats(0, 1)


@pytest.mark.parametrize("size", [(640, 480), (300, 900)])
def test_without_zoom_the_whole_photo_is_looked_at(size: tuple[int, int]) -> None:
    assert crop_box(size, 1.0, 0.2, 0.9) == (0, 0, *size)


@given(width=SIDE, height=SIDE, zoom=st.floats(1.01, 8), across=SHARE, down=SHARE)
def test_the_box_is_a_square_inside_the_photo(
    width: int, height: int, zoom: float, across: float, down: float
) -> None:
    left, top, right, bottom = crop_box((width, height), zoom, across, down)
    assert right - left == bottom - top > 0
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


def test_the_box_reaches_every_side_and_the_middle() -> None:
    assert crop_box((640, 480), 2, 0, 0) == (0, 0, 240, 240)
    assert crop_box((640, 480), 2, 1, 1) == (400, 240, 640, 480)
    assert crop_box((640, 480), 2, 0.5, 0.5) == (200, 120, 440, 360)


def test_the_marked_photo_is_the_inside_in_the_box_and_darker_outside() -> None:
    photo = Image.new("RGB", (80, 60), (200, 100, 50))
    whole = marked(photo, Image.new("RGB", (20, 20), (0, 0, 255)), (30, 20, 50, 40))
    assert whole.size == photo.size
    pixels = np.asarray(whole)
    assert (pixels[20:40, 30:50] == (0, 0, 255)).all()
    assert (pixels[19, 40] == 255).all()
    assert (pixels[5, 5] == (80, 40, 20)).all()
    assert photo.getpixel((5, 5)) == (200, 100, 50)


def test_a_box_round_the_whole_photo_leaves_nothing_to_mark() -> None:
    inside = Image.new("RGB", (80, 60), "red")
    assert marked(Image.new("RGB", (80, 60)), inside, (0, 0, 80, 60)) == inside


def test_an_outlined_photo_has_a_white_line_round_the_part_and_nothing_else_changed() -> None:
    photo = Image.new("RGB", (300, 200), "green")
    found = outlined(photo, (0.2, 0.25, 0.6, 0.75))
    assert photo.getcolors() == [(60_000, (0, 128, 0))]
    assert {found.getpixel(place) for place in ((60, 50), (179, 149), (120, 50))} == {
        (255, 255, 255)
    }
    assert {found.getpixel(place) for place in ((50, 100), (120, 100), (185, 100))} == {(0, 128, 0)}

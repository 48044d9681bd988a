import numpy as np
import pytest
from PIL import Image

from streamlit_app.ui.cropping import box_from_browser, marked


def test_a_box_in_the_photo_is_taken_as_it_is() -> None:
    assert box_from_browser([10, 20, 110, 120], (640, 480)) == (10, 20, 110, 120)
    assert box_from_browser([10.0, 20.0, 110.0, 120.0], (640, 480)) == (10, 20, 110, 120)


def test_a_box_round_the_whole_photo_is_none() -> None:
    assert box_from_browser([0, 0, 640, 480], (640, 480)) is None


@pytest.mark.parametrize(
    "value",
    [
        None,
        "0,0,1,1",
        [1, 2, 3],
        [0, 0, 641, 10],
        [-1, 0, 10, 10],
        [10, 0, 10, 10],
        [20, 0, 10, 10],
        [0, 0, "10", 10],
        [0, 0, float("nan"), 10],
        [0, 0, 1e300, 10],
    ],
)
def test_what_is_no_box_in_the_photo_is_none(value: object) -> None:
    assert box_from_browser(value, (640, 480)) is None


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

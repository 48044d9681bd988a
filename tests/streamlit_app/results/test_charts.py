import itertools
from typing import Any

import numpy as np
import pytest

from plumage.contract import NORM_NAMES
from streamlit_app.norms import EFFECTS
from streamlit_app.results import charts
from streamlit_app.results.charts import VARIANT_COLOURS, percent, probability_bars

RANKING = [("Hoopoe", 0.9), ("House Crow", 0.06), ("Indian Pitta", 0.001)]


@pytest.mark.parametrize(
    ("probability", "words"),
    [(0.0, "<1%"), (0.0099, "<1%"), (0.01, "1%"), (0.554, "55%"), (0.99, "99%"), (0.9999, ">99%")],
)
def test_a_percentage_never_claims_certainty(probability: float, words: str) -> None:
    assert percent(probability) == words


def test_the_bars_keep_the_order_given_and_carry_their_numbers() -> None:
    spec = probability_bars(RANKING, "species").to_dict()
    (rows,) = spec["datasets"].values()
    assert [row["label"] for row in rows] == ["Hoopoe  90%", "House Crow  6%", "Indian Pitta  <1%"]
    assert spec["encoding"]["y"]["sort"] is None


def test_a_long_name_is_shortened_in_its_middle_so_that_the_number_stays() -> None:
    axis = probability_bars(RANKING, "species").to_dict()["encoding"]["y"]["axis"]
    assert axis["labelExpr"].endswith("'center')")


def test_a_bar_is_as_long_as_its_share_of_certainty() -> None:
    spec = probability_bars(RANKING, "species").to_dict()
    assert spec["encoding"]["x"]["scale"]["domain"] == [0, 1]


def test_the_chart_has_a_title() -> None:
    assert probability_bars(RANKING, "classes").to_dict()["title"]["text"] == "Most likely classes"


# Simulated colour blindness on linear RGB (Machado et al. 2009, severity 1).
SIGHT = {
    "all colours": np.eye(3),
    "no red": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.119192, 0.9503041],
    ]
)
WHITE = np.array([0.95047, 1, 1.08883])


def linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(colour: str, sight: Any) -> np.ndarray:
    """CIELAB, in which a distance of 1 is about the least that can be seen."""
    seen = (np.asarray(sight) @ linear(colour)).clip(0, 1)
    x, y, z = np.cbrt(TO_XYZ @ seen / WHITE)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(one: str, other: str) -> float:
    """WCAG's contrast ratio."""
    low, high = sorted(TO_XYZ[1] @ linear(colour) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("sight", SIGHT)
def test_the_colours_of_any_two_variants_can_be_told_apart(sight: str) -> None:
    for one, other in itertools.combinations(VARIANT_COLOURS.values(), 2):
        distance = np.linalg.norm(lab(one, SIGHT[sight]) - lab(other, SIGHT[sight]))
        assert distance > 15, (one, other)


@pytest.mark.parametrize("page", ["#ffffff", "#171614"])
def test_every_colour_stands_out_from_a_light_and_a_dark_page(page: str) -> None:
    for colour in [*VARIANT_COLOURS.values(), charts.BAR, charts.OTHER, charts.GREY]:
        assert contrast(colour, page) >= 3, colour


def test_each_of_the_seven_has_its_own_colour() -> None:
    assert set(VARIANT_COLOURS) == set(NORM_NAMES) == set(EFFECTS)
    assert len(set(VARIANT_COLOURS.values())) == len(NORM_NAMES)

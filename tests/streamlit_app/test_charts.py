import pytest

from streamlit_app.charts import percent, probability_bars

RANKING = [("Hoopoe", 0.9), ("House Crow", 0.06), ("Indian Pitta", 0.001)]


@pytest.mark.parametrize(
    ("probability", "words"),
    [(0.0, "<1%"), (0.0099, "<1%"), (0.01, "1%"), (0.554, "55%"), (0.99, "99%"), (0.9999, ">99%")],
)
def test_a_percentage_never_claims_certainty(probability: float, words: str) -> None:
    assert percent(probability) == words


def test_the_bars_keep_the_order_given_and_carry_their_numbers() -> None:
    spec = probability_bars(RANKING).to_dict()
    (rows,) = spec["datasets"].values()
    assert [row["label"] for row in rows] == ["Hoopoe  90%", "House Crow  6%", "Indian Pitta  <1%"]
    assert spec["encoding"]["y"]["sort"] is None


def test_a_bar_is_as_long_as_its_share_of_certainty() -> None:
    spec = probability_bars(RANKING).to_dict()
    assert spec["encoding"]["x"]["scale"]["domain"] == [0, 1]


def test_the_chart_has_a_title() -> None:
    assert probability_bars(RANKING).to_dict()["title"]["text"]

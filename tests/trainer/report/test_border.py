import json

import pytest

from tests.measurements import result_file
from trainer.report import border as results_shortcut


def around(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.01, "high": value + 0.01}


def run(black: float, clean: float, drawn: float, corners: float) -> dict:
    groups = {"all": around(0.6), "bordered": around(clean), "others": around(0.7)}
    accuracy = dict.fromkeys(("clean", "published", "mirrored"), groups)
    accuracy["black"] = groups | {"bordered": around(black)}
    taken = {"clean": {"others": around(0.1)}, "black": {"others": around(drawn)}}
    heatmaps = {v: {"share": around(corners), "map": [[0, 2], [1, 1]]} for v in ("clean", "black")}
    return {"accuracy": accuracy, "answered_bordered": taken, "heatmaps": heatmaps}


def write(folder, lost: float, corners: float) -> None:
    runs = {"clean": run(0.5, 0.5, 0.2, 0.1), "bordered": run(0.9, 0.5 + lost, 0.8, corners)}
    less = {"clean": {"bordered": around(lost), "others": around(0)}}
    result = {
        "recipe": {"photos_per_species": 300, "image_size": 48, "epochs": 5},
        "bordered": ["A", "B"],
        "shares": [0.7, 0.97],
        "corner_share": 0.15,
        "pairs": {"none": {"trained": runs, "bordered_less_clean": less}},
    }
    result_file(folder, "border.json").write_text(json.dumps(result))


def test_a_shortcut_is_one_where_clean_photos_lose_more_than_chance(tmp_path):
    write(tmp_path, -0.3, 0.4)
    text = results_shortcut.shortcut(tmp_path)
    assert text.startswith("Each run: 300 training photos a species, 48 px, 5 epochs, one seed.")
    assert "With whole photos the corners are a shortcut" in text
    assert "on 90.0% of the 2 species' photos that have corners and on 20.0%" in text
    assert "is changed by -30.0 (-31.0 to -29.0) points on the 2 species and by +0.0 (" in text
    assert "one of the 2 in 80% of cases (10% without" in text
    assert "heatmaps give it away: 40% of them lie in the corners, and 10%" in text


@pytest.mark.parametrize("corners", [0.1, 0.11])
def test_where_nothing_shows_the_text_says_so(tmp_path, corners):
    write(tmp_path, -0.005, corners)
    text = results_shortcut.shortcut(tmp_path)
    assert "no shortcut that shows" in text
    assert "heatmaps do not give it away" in text


def test_without_measures_the_text_says_which_command_makes_them(tmp_path):
    assert "python -m trainer.studies.border" in results_shortcut.shortcut(tmp_path)
    results_shortcut.draw(tmp_path, tmp_path)
    assert not list(tmp_path.iterdir())

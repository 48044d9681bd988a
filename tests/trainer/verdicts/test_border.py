import copy

from tests.measurements import draw_border
from trainer.verdicts.border import conclude


def test_a_shortcut_is_one_where_clean_photos_lose_more_than_chance():
    shortcut, none = draw_border()["verdicts"]
    assert (shortcut["augmentation"], shortcut["verdict"]) == ("none", "shortcut")
    assert (none["augmentation"], none["verdict"]) == ("crops", "none")
    assert "Trained on whole photos, the corners become a shortcut" in shortcut["sentence"]
    assert "become no measurable shortcut" in none["sentence"]
    assert "changes by -30.0 (-32.0 to -28.0) points for the 2 species" in shortcut["sentence"]
    assert "by +1.0 (-1.0 to +3.0) for the others" in shortcut["sentence"]
    assert "right on 70.0% of the 2 species' photos with corners" in shortcut["sentence"]
    assert "it takes 50% of the other species' photos for one of the 2" in shortcut["sentence"]


def test_heatmaps_are_said_to_lie_in_the_corners_only_beyond_their_intervals():
    found = draw_border()
    assert all(row["in_heatmaps"] for row in found["verdicts"])
    assert (
        "More of its heatmap lies in the corners: 30% against 5%"
        in (found["verdicts"][0]["sentence"])
    )
    alike = copy.deepcopy(found)
    for row in alike["heatmaps"]:
        row |= {"value": 0.1, "low": 0.08, "high": 0.12}
    verdict = conclude(alike)["verdicts"][0]
    assert not verdict["in_heatmaps"]
    assert "No more of its heatmap lies in the corners" in verdict["sentence"]

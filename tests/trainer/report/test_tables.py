"""Rows of the documents' tables."""

from tests.measurements import (
    draw_border,
    draw_comparison,
    draw_explained,
    draw_leakage,
    draw_ood,
    draw_prediction_sets,
    score,
)
from trainer.recipe import CHECKPOINTS
from trainer.report import border, explain, ood, published_set, scores

COMPARISON = draw_comparison(("bn", "gn"))


def report(accuracy: float) -> dict:
    value = score(accuracy)
    return {
        "metrics": dict.fromkeys(
            ("train", "val", "test"), dict.fromkeys(("accuracy", "micro_f1", "macro_f1"), value)
        ),
        "recipe": {"image_size": 96, "epochs": 16},
        "parameters": 1234,
        "seconds": 600,
        "machines": [{"processor": "P", "cores": 4, "gpu": "G"}, {"processor": "Q", "cores": 2}],
        "novelty": {"accepted": {"test": 0.944}},
        "species": ["House-Crow", "Sarus-Crane", "A", "Indian-Pitta", "B", "C"],
        "prediction_sets": draw_prediction_sets(),
    }


REPORTS = {"bn": report(0.8612), "gn": report(0.85)}


def test_accuracy_without_near_duplicates_leads_the_table_and_ranks_it():
    leakage = draw_leakage(("bn", "gn"))
    leakage["rows"][3]["accuracy"] = 0.81  # of gn, without
    first, second = scores.accuracies(REPORTS, leakage)
    assert (first["variant"], second["variant"]) == ("`gn`", "`bn`")
    assert list(first)[1] == "test accuracy without near-duplicates in train, %"
    assert first[list(first)[1]].startswith("81.0 (")
    assert second["on all test photos, %"] == "86.1 (84.1 to 88.1)"
    assert second["parameters"] == "1,234"


def test_without_the_measurement_the_column_is_empty_and_all_photos_rank():
    first, second = scores.accuracies(REPORTS, None)
    assert first["variant"] == "`bn`"
    assert first["test accuracy without near-duplicates in train, %"] == ""
    assert second["on all test photos, %"] == "85.0 (83.0 to 87.0)"


def test_every_split_and_training_has_its_row():
    assert len(scores.splits(REPORTS)) == 2 * 3
    assert scores.splits(REPORTS)[0]["macro F1, %"] == "86.1 (84.1 to 88.1)"
    assert scores.training(REPORTS)[0] == {
        "variant": "`bn`",
        "minutes": "10",
        "machines": "G, then Q",
    }


def test_the_course_reports_numbers_stand_beside_ours_where_we_have_them():
    rows = {row["variant"]: row for row in scores.course_report(REPORTS)}
    assert len(rows) == 7
    assert rows["`bn`"]["report: accuracy, %"] == "63.2"
    assert rows["`bn`"]["here: accuracy, %"] == "86.1 (84.1 to 88.1)"
    assert rows["`in`"]["here: accuracy, %"] == ""


def test_an_order_like_the_reports_is_claimed_only_where_its_correlation_is_no_chance():
    theirs = ["bin", "in", "torch-bn", "ln", "gn", "bn", "nn"]
    alike = {name: report(0.9 - place / 100) for place, name in enumerate(theirs)}
    assert scores.order_sentence(alike).startswith("Yes: Spearman's correlation of the ranks of 7")
    other = {name: report(0.9 - place / 100) for place, name in enumerate(sorted(theirs))}
    assert scores.order_sentence(other).startswith("No evidence")
    assert scores.order_sentence(REPORTS).startswith("There are too few")


def test_pairs_and_calibration_are_those_of_the_comparison():
    (row,) = scores.pairs(COMPARISON)
    (pair,) = COMPARISON["pairs"]
    assert row["variants"] == "`bn`, `gn`"
    assert row["only the first right"] == str(pair["only_a_right"])
    assert row["differ"] == ("yes" if pair["differ"] else "no")
    names = [row["variant"] for row in scores.calibration(COMPARISON)]
    assert names == ["`bn`", "`gn`", "consensus"]


def test_the_hardest_species_come_first_with_what_they_are_mistaken_for():
    rows = scores.hardest(COMPARISON, count=3)
    recall = sorted(COMPARISON["variants"][COMPARISON["best"]]["recall"])
    assert [row["recall, %"] for row in rows] == [f"{100 * share:.0f}" for share in recall[:3]]
    assert all("(" in row["mistaken for (photos)"] for row in rows[:1])


def test_leakage_has_both_scores_and_the_tests():
    (row,) = scores.leakage_tests(draw_leakage(["bn"]))
    assert row["with a near-duplicate, %"].startswith("90.0 (")
    assert row["without a near-duplicate, %"].startswith("80.0 (")
    assert row["verdict"] == "inflated"


def test_detection_shows_what_is_accepted_and_leaves_out_removed_variants():
    found = draw_ood(("bn", "in"))
    (row,) = ood.detection(found, REPORTS)
    assert row["variant"] == "`bn`"
    assert row["test photos accepted, %"] == "94.4"
    assert row["AUROC, no bird, %"].startswith(f"{100 * found['rows'][0]['auroc']:.1f} (")


def test_ood_scores_stand_below_one_another_the_best_on_the_whole_first():
    first, second = ood.baselines(draw_ood(("bn", "in")))
    assert (first["score"], second["score"]) == ("**novelty**", "energy")
    assert second["mean"] == "80.0 / 80.0"


def test_degraded_photos_stand_beside_the_original_ones():
    changes = [("none", 0, 0.9, 0.95), ("JPEG quality", 30, 0.8, 0.85), ("side", 48, 0.7, 0.75)]
    names = ("change", "degree", "accuracy", "accepted")
    rows = [{"variant": "bn", **dict(zip(names, change, strict=True))} for change in changes]
    assert ood.robustness({"rows": rows}) == [
        {
            "variant": "`bn`",
            "original": "95.0 / 90.0",
            "JPEG 30": "85.0 / 80.0",
            "48 px": "75.0 / 70.0",
        }
    ]


def test_sets_are_shown_with_the_species_of_lowest_coverage():
    row, _ = ood.prediction_sets(REPORTS)
    assert row["coverage, 95% sets"] == "90.0%"
    assert row["species in a set, 95%"] == "1.50"
    assert row["lowest coverage, 95%"] == "Indian Pitta, 70%"


def test_heatmaps_are_shown_with_their_verdict_and_methods_by_stage():
    found = draw_explained(("bn", "gn"))
    assert explain.faithfulness(found)[0]["verdict"] == "faithful"
    assert explain.faithfulness(found)[0]["gain over a random map"] == "0.40 (0.38 to 0.42)"
    assert explain.methods(found)[0] == {
        "method": "Grad-CAM",
        "stage 1": "+0.10",
        "stage 3": "+0.40",
    }
    assert explain.outside(found)[1]["difference, points"] == "10.0 (8.0 to 12.0)"
    (confused,) = explain.confused(found)
    assert confused == {
        "species": "Blue Bird",
        "recall, %": "83",
        "mistaken for (answers)": "Red Bird (20)",
    }


def test_each_network_of_the_border_has_a_row_and_its_picture(tmp_path):
    found = draw_border()
    rows = border.accuracies(found)
    assert [row["trained on"] for row in rows][:2] == [
        "whole photos, clean photos",
        "whole photos, photos with corners",
    ]
    assert rows[0]["the 2, corners"] == "70.0 (68.0 to 72.0)"
    assert border.taken(found)[1]["heatmap in the corners: clean"] == "30.0 (28.0 to 32.0)"
    border.draw(found, tmp_path)
    files = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png")]
    drawn = {f"![Mean heatmap]({file})" for file in files}
    assert drawn == {
        cell
        for row in border.pictures(found)
        for words, cell in row.items()
        if words != "trained on"
    }
    assert border.species_sentence(found) == (
        "2 species have corners, from Red Bird on 70% of its training photos to Blue Bird on 97%."
    )


def test_the_faults_of_the_published_set_are_those_that_the_audit_found(tmp_path):
    assert published_set.read(tmp_path) is None
    found = published_set.read(CHECKPOINTS)
    assert found is not None
    assert published_set.sentence(found) == (
        "45,330 photos of 25 species; the audit's clean copy keeps 16,888."
    )
    text = " ".join(cell for row in published_set.faults(found) for cell in row.values())
    assert "76% of test photos and 98% of val photos have one in train" in text
    assert "74% to 96% of those of 8 species (Northern Lapwing" in text
    assert "47% to 57% of the photos of the 10 worst of 16 species" in text

import json
import math

import pytest

from tests.measurements import result_file
from tests.study_tables import (
    FACTS,
    batch_runs,
    depth_runs,
    norm_runs,
    optimizer_runs,
    quantile_runs,
    rate_runs,
)
from trainer.report.__main__ import render
from trainer.report.studies import (
    SECTIONS,
    batch_size_table,
    norms_table,
    optimizers_table,
    spread_of,
)
from trainer.studies.conclusions import size_sentence

TABLES = {
    "norms": norm_runs({"bn": [0.5, 0.52], "nn": [math.nan]}),
    "learning-rate": rate_runs({("bn", 0.1): [0.5], ("gn", 0.2): [0.4]}),
    "optimizers": optimizer_runs({("SGD", "triangular", 0.1): [0.5]}),
    "batch-size": batch_runs({("bn", 32, "both"): [0.5]}),
    "depth": depth_runs({("nn", 2): [0.3], ("bn", 2): [0.5]}),
    "feature-quantiles": quantile_runs({"bn": [2.0]}),
}


def test_the_reports_own_settings_are_marked_with_what_it_says_of_them():
    cells = {
        ("SGD", "triangular", 0.2): [math.nan, 0.9],
        ("SGD, momentum 0.9", "constant", 0.002): [0.3, 0.31],
        ("SGD, momentum 0.9", "cosine", 0.002): [0.3, 0.31],
    }
    table = optimizers_table(optimizer_runs(cells), FACTS)
    assert "1 of 2 diverged" in table
    assert table.count("best of SGD") == 1


def test_batch_sizes_stand_beside_the_reports():
    table = batch_size_table(batch_runs({("bn", 128, "epochs"): [0.40, 0.41]}), FACTS)
    (row,) = [line for line in table.splitlines() if "`bn`" in line]
    assert "40.5 ± 0.7 (2 runs) at 0.1" in row
    assert "34.4, 35 epochs" in row


def test_norms_stand_in_the_order_of_their_accuracy_on_test():
    lines = norms_table(norm_runs({"bn": [0.5, 0.52], "gn": [0.6], "nn": [math.nan]}), FACTS)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines.splitlines()[2:]]
    assert [row[0] for row in rows] == ["`gn`", "`bn`", "`nn`"]
    assert rows[1][:3] == ["`bn`", "0.1", "51.0 ± 1.4 (2 runs)"]
    assert rows[2][2] == "1 of 1 diverged"


def test_runs_of_a_setting_are_summed_up_with_their_spread_and_number():
    assert spread_of([]) == ""
    assert spread_of([0.5]) == "50.0 (1 run)"
    assert spread_of([0.5, 0.52]) == "51.0 ± 1.4 (2 runs)"
    assert spread_of([0.5, math.nan]) == "1 of 2 diverged"


def test_the_size_says_what_was_run_on_what_and_by_which_rule():
    assert size_sentence(FACTS) == (
        "All 9 runs are done, on P. Unless varied, a run has 32 px, 192 training photos of each "
        "species, 6 epochs and batches of 32. Rates are chosen."
    )
    assert "4 of at least 9 runs are done, on P." in size_sentence(FACTS | {"done": 4})


@pytest.mark.parametrize("study", SECTIONS)
def test_a_study_has_a_section_with_its_answer_its_size_and_its_table_once_it_has_runs(
    study, tmp_path
):
    assert "No study has been made yet." in render("studies.md.j2", tmp_path)
    TABLES[study].to_csv(result_file(tmp_path, f"studies/{study}.csv"), index=False)
    facts = json.dumps(FACTS | {"answer": "It does."})
    result_file(tmp_path, f"studies/{study}.json").write_text(facts)
    text = render("studies.md.j2", tmp_path)
    assert f"### {SECTIONS[study].title}\n\n**It does.**\n\nAll 9 runs are done" in text
    assert text.count("###") == 1
    assert "\n|:--" in text

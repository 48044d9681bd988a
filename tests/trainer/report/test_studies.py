import json
import math

import pytest

from tests.measurements import result_file
from tests.study_tables import FACTS, batch_runs, depth_runs, optimizer_runs
from trainer.report.studies import batch_size_table, optimizers_table, section, spread_of
from trainer.studies.conclusions import ANSWERS


def test_a_setting_that_diverged_says_how_often_and_the_reports_best_is_marked():
    cells = {("SGD", 0.2): [math.nan, 0.9], ("SGD, momentum 0.9", 0.002): [0.3, 0.31]}
    table = optimizers_table(optimizer_runs(cells), FACTS)
    assert "1 of 2 diverged" in table
    assert "best of SGD at 0.002" in table


def test_batch_sizes_stand_beside_the_reports():
    table = batch_size_table(batch_runs(0.5, {"bn": [0.1, 0.1]}), FACTS)
    (row,) = [line for line in table.splitlines() if "`bn`" in line and "| 128 " in line]
    assert "34.4, 35 epochs" in row
    assert row.count("40.5 ± 0.7 (2 runs)") == 4


def test_runs_of_a_setting_are_summed_up_with_their_spread_and_number():
    assert spread_of([]) == ""
    assert spread_of([0.5]) == "50.0 (1 run)"
    assert spread_of([0.5, 0.52]) == "51.0 ± 1.4 (2 runs)"
    assert spread_of([0.5, math.nan]) == "1 of 2 diverged"


def written(folder, facts):
    table = depth_runs({("nn", 2): [0.3], ("bn", 2): [0.5]})
    table.to_csv(result_file(folder, "studies/depth.csv"), index=False)
    result_file(folder, "studies/depth.json").write_text(json.dumps(facts | {"answer": "It does."}))
    return section("depth", folder)


def test_a_section_opens_with_the_answer_and_the_size(tmp_path):
    text = written(tmp_path, FACTS)
    assert text.startswith("**It does.**\n\n32 px, 192 training photos of each species, 6 epochs")
    assert "9 of 9 runs are done." in text
    assert "`bn` 63.2" in text


@pytest.mark.parametrize(
    ("in_time", "words"), [(True, "still to come"), (False, "dropped when 75 minutes on two cores")]
)
def test_a_section_says_why_runs_are_missing(tmp_path, in_time, words):
    assert words in written(tmp_path, FACTS | {"done": 4, "in_time": in_time})


@pytest.mark.parametrize("study", ANSWERS)
def test_a_missing_study_names_its_command(tmp_path, study):
    assert f"`python -m trainer.studies {study} --data PHOTOS`" in section(study, tmp_path)

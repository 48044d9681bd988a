import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from streamlit_app.results.studies import TITLES
from tests.measurements import (
    result_file,
    write_report,
    write_results,
    write_short_runs,
    write_study,
)

ROOT = Path(__file__).parents[3]
TABS = [
    "Accuracy",
    "Significance",
    "Training",
    "Per variant",
    "Uncertainty",
    "Shortcut learning",
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty checkpoints folder that the app is pointed at."""
    monkeypatch.setenv("PLUMAGE_CHECKPOINTS", str(tmp_path))
    return tmp_path


def shown(**address: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "streamlit_app" / "views" / "results.py"))
    app.query_params.update(address)
    return run(app)


def run(app: AppTest) -> AppTest:
    app.run(timeout=300)
    assert not app.exception
    return app


def text(app: AppTest) -> str:
    return " ".join(element.value for element in [*app.markdown, *app.info, *app.warning])


def tabs(app: AppTest) -> list[str]:
    return [tab.label for tab in app.tabs if tab.label in TABS]


def closely(**address: str) -> AppTest:
    return shown(tab="Per variant", **address)


def test_everything_measured_of_seven_variants_is_shown(folder: Path) -> None:
    write_results(folder)
    app = shown()
    assert tabs(app) == TABS
    assert len(app.dataframe[0].value) == 8  # with the consensus
    assert not app.warning
    assert not app.info
    assert "of 21 pairs differ significantly" in text(shown(tab="Significance"))


def test_the_page_opens_with_the_trainers_answer(folder: Path) -> None:
    comparison = write_results(folder)
    leakage = json.loads((folder / "results" / "leakage.json").read_text())
    first = shown().markdown[0].value
    assert first == f"**{comparison['sentence']}** {leakage['sentence']}"


def test_a_number_says_its_split_and_its_budget(folder: Path) -> None:
    write_results(folder)
    words = text(shown())
    assert "900 training photos, 120 test photos" in words
    assert "4 epochs at 96 px" in words
    assert "3 seeds a variant, 2 epochs, about 20 minutes each" in words


def test_every_chart_has_its_numbers_to_download(folder: Path) -> None:
    write_results(folder)
    count = 0
    for tab in TABS:
        app = shown(tab=tab)
        drawn = app.get("vega_lite_chart")
        assert len(drawn) == len(app.get("download_button"))
        assert all(chart.proto.alt for chart in drawn)
        count += len(drawn)
    assert count == 8 + 5 + 4


def test_only_the_open_tab_is_made_and_stands_in_the_address(folder: Path) -> None:
    write_results(folder)
    app = shown()
    assert [len(tab.get("vega_lite_chart")) for tab in app.tabs] == [1, *[0] * 5]
    app = shown(tab="Training")
    assert [len(tab.get("vega_lite_chart")) for tab in app.tabs] == [0, 0, 2, *[0] * 3]


def test_one_variant_without_a_comparison_shows_its_scores_and_the_command_for_the_rest(
    folder: Path,
) -> None:
    write_report(folder / "bn", 0.87)
    app = shown()
    assert app.dataframe[0].value["accuracy on test, %"].tolist() == ["87.0 (85.0 to 89.0)"]
    flag = f"--checkpoints {folder}"
    assert f"`python -m trainer.evaluate.comparison --data PHOTOS {flag}`" in app.info[0].value
    assert f"`python -m trainer.studies norms --data PHOTOS {flag}`" in text(app)
    assert tabs(app) == ["Accuracy", "Training", "Uncertainty"]


def test_one_variant_has_neither_pairs_nor_a_consensus(folder: Path) -> None:
    write_results(folder, ["bn"])
    app = shown()
    assert tabs(app) == [tab for tab in TABS if tab != "Significance"]
    assert app.dataframe[0].value["variant"].tolist() == ["bn"]
    assert closely().selectbox(key="variant").options == ["bn: batch norm"]


def test_a_variant_that_the_comparison_lacks_is_shown_and_named(folder: Path) -> None:
    write_results(folder, ["bn", "gn"])
    write_report(folder / "nn", 0.7)
    app = shown()
    table = app.dataframe[0].value
    assert set(table["variant"]) == {"bn", "gn", "nn", "consensus"}
    accuracies = table["accuracy on test, %"].str.split().str[0].astype(float)
    assert accuracies.is_monotonic_decreasing
    assert "nn" in app.warning[0].value
    assert "python -m trainer.evaluate.comparison" in app.warning[0].value


def test_a_removed_variant_is_not_looked_at_closely(folder: Path) -> None:
    write_results(folder, ["bn", "gn", "nn"])
    (folder / "bn" / "report.json").unlink()
    options = closely().selectbox(key="variant").options
    assert options[-1] == "consensus: the mean of all probabilities"
    assert {"gn: group norm", "nn: no norm"} == set(options[:-1])


def test_a_link_opens_its_variant_and_species(folder: Path) -> None:
    write_results(folder)
    app = closely(variant="consensus", species="Blue Bird")
    assert app.selectbox(key="variant").value == "consensus"
    assert "Mistakes with Blue Bird" in text(app)


def test_a_choice_goes_into_the_address_and_a_default_out_of_it(folder: Path) -> None:
    write_results(folder)
    app = closely()
    best = app.selectbox(key="variant").value
    other = "nn" if best != "nn" else "bn"
    app.selectbox(key="variant").set_value(other)
    app.selectbox(key="species").set_value("Red Bird")
    run(app)
    assert app.query_params == {"tab": "Per variant", "variant": other, "species": "Red Bird"}
    app.selectbox(key="variant").set_value(best)
    run(app)
    assert app.query_params == {"tab": "Per variant", "species": "Red Bird"}


def test_the_best_variant_on_val_photos_is_looked_at_first(folder: Path) -> None:
    write_results(folder, ["bn", "gn", "nn"])
    write_report(folder / "nn", 0.99)
    assert closely().selectbox(key="variant").value == "nn"


def test_going_back_brings_the_choice_of_the_address_back(folder: Path) -> None:
    write_results(folder)
    app = closely(variant="in")
    app.selectbox(key="variant").set_value("gn")
    run(app)
    app.query_params["variant"] = "in"  # as Back does
    run(app)
    assert app.selectbox(key="variant").value == "in"


def test_a_link_to_what_is_not_there_opens_the_page_all_the_same(folder: Path) -> None:
    write_results(folder, ["bn", "gn"])
    app = closely(variant="nn", species="Dodo")
    assert app.selectbox(key="variant").value == "bn"
    assert app.selectbox(key="species").value is None


@pytest.mark.parametrize("measure", ["loss", "macro_f1"])
def test_learning_can_be_seen_in_other_measures(folder: Path, measure: str) -> None:
    write_results(folder)
    app = shown(tab="Training")
    before = app.get("vega_lite_chart")[0].proto.spec
    app.session_state["measure"] = measure
    run(app)
    assert app.get("vega_lite_chart")[0].proto.spec != before


@pytest.mark.parametrize(
    "file", ["results/comparison.json", "results/studies/norms.csv", "bn/history.csv"]
)
def test_a_damaged_file_is_named_and_the_scores_are_shown(folder: Path, file: str) -> None:
    write_results(folder, ["bn", "gn"])
    (folder / file).write_text("damaged")
    app = shown()
    assert file in app.warning[0].value
    assert len(app.dataframe[0].value) >= 2


def test_unfinished_short_runs_do_not_disturb(folder: Path) -> None:
    write_results(folder, ["bn", "gn"])
    write_short_runs(folder, {"bn": [0.7]})
    app = shown()
    assert sorted(app.dataframe[0].value["seeds on test, %"]) == ["", "", "70.0 (1 seed)"]


def test_no_results_are_explained_with_the_command_that_makes_some(folder: Path) -> None:
    (error,) = shown().error
    assert "python -m trainer --norm bn --data PHOTOS" in error.value


@pytest.mark.parametrize(
    ("tab", "command"),
    [("Uncertainty", "trainer.evaluate.ood"), ("Shortcut learning", "trainer.studies.border")],
)
def test_what_is_damaged_is_said_in_its_tab_with_the_command_and_without_it_nothing_is(
    folder: Path, tab: str, command: str
) -> None:
    write_results(folder, ["bn"])
    file = result_file(folder, f"{command.rpartition('.')[2]}.json")
    file.write_text("damaged")
    assert f"python -m {command}" in shown(tab=tab).warning[0].value
    file.unlink()
    app = shown(tab=tab)
    assert not app.warning
    assert f"python -m {command}" not in text(app)


def test_what_was_never_measured_has_no_tab(folder: Path) -> None:
    write_results(folder, ["bn"])
    for name in ("ood", "border"):
        result_file(folder, f"{name}.json").unlink()
    assert "Uncertainty" in tabs(shown())  # the prediction sets
    assert "Shortcut learning" not in tabs(shown())
    report = json.loads((folder / "bn" / "report.json").read_text())
    del report["prediction_sets"], report["novelty"]
    (folder / "bn" / "report.json").write_text(json.dumps(report))
    assert "Uncertainty" not in tabs(shown())


def study(name: str) -> AppTest:
    """Its tab, opened."""
    return shown(tab="Studies", study=TITLES[name])


def test_each_study_that_was_made_has_a_tab_with_its_answer_and_a_chart(folder: Path) -> None:
    write_results(folder, ["bn"])
    write_study(folder, "optimizers", size="All 9 runs are done.")
    write_study(folder, "depth", done=4, size="4 of at least 9 runs are done.")
    done, partly = map(study, ("optimizers", "depth"))
    assert {"Studies", "Optimizers", "Depth"} < {tab.label for tab in done.tabs}
    assert not {"Batch size", "Features"} & {tab.label for tab in done.tabs}
    answer = "**What of optimizers?** No difference in optimizers."
    assert answer in [element.value for element in done.markdown]
    assert "All 9 runs are done." in text(done)
    assert "4 of at least 9 runs are done." in text(partly)
    for app in (done, partly):
        assert len(app.get("vega_lite_chart")) == len(app.get("download_button")) == 1


def test_a_damaged_study_is_named_in_its_tab_and_the_others_are_shown(folder: Path) -> None:
    write_results(folder, ["bn"])
    write_study(folder, "batch-size")
    write_study(folder, "feature-quantiles")
    result_file(folder, "studies/batch-size.json").write_text("damaged")
    (warning,) = study("batch-size").warning
    assert "studies/batch-size.csv or batch-size.json is damaged" in warning.value
    assert len(study("feature-quantiles").get("vega_lite_chart")) == 1

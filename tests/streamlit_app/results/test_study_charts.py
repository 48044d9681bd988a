import json
from pathlib import Path

import altair as alt
import numpy as np
import pandas as pd
import pytest

from streamlit_app.results import studies, study_charts
from streamlit_app.results.studies import TITLES, read_study
from tests.measurements import write_study


def table_of(folder: Path, name: str) -> pd.DataFrame:
    write_study(folder, name)
    study = read_study(folder, name)
    assert study is not None
    return study.table


DRAWN = {
    "optimizers": (studies.by_learning_rate, study_charts.learning_rates),
    "batch-size": (studies.by_batch_size, study_charts.batch_curves),
    "feature-quantiles": (studies.features_over_epochs, study_charts.feature_curves),
    "depth": (studies.by_depth, study_charts.depth_curves),
    "learning-rate": (studies.by_norm_and_rate, study_charts.norm_rates),
}


@pytest.mark.parametrize("name", TITLES)
def test_every_study_has_a_chart_with_a_title_and_axes_that_say_what_they_measure(
    tmp_path: Path, name: str
) -> None:
    prepare, draw = DRAWN[name]
    table = prepare(table_of(tmp_path, name))
    assert not np.isnan(table.select_dtypes("number").to_numpy()).any()
    chart = draw(table)
    assert isinstance(chart, alt.LayerChart)
    spec = chart.to_dict()
    assert spec["title"]["text"]
    assert "config" in json.dumps(spec)
    named = [
        encoding[axis].get("title")
        for encoding in (layer["encoding"] for layer in spec["layer"])
        for axis in "xy"
        if encoding.get(axis, {}).get("type") == "quantitative"
    ]
    assert any(named)


def test_each_optimizer_has_a_colour_of_its_own(tmp_path: Path) -> None:
    cells = studies.by_learning_rate(table_of(tmp_path, "optimizers"))
    colour = study_charts.learning_rates(cells).to_dict()["layer"][0]["encoding"]["color"]["scale"]
    assert colour["domain"] == ["SGD", "Adam"]
    assert len(set(colour["range"])) == 2


def test_the_legend_names_divergence_only_where_an_optimizer_diverged(tmp_path: Path) -> None:
    cells = studies.by_learning_rate(table_of(tmp_path, "optimizers"))
    for shown, named in ((cells, True), (cells[cells.schedule != "diverged"], False)):
        shape = study_charts.learning_rates(shown).to_dict()["layer"][1]["encoding"]["shape"][
            "scale"
        ]
        assert ("diverged" in shape["domain"]) == named
        assert len(shape["domain"]) == len(shape["range"])

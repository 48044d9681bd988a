import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from tests.measurements import result_file
from trainer.data import PhotoFolder
from trainer.model.norms import NORMS
from trainer.model.resnet import ResNet, to_input
from trainer.studies import probes as watching
from trainer.studies import tables as study_tables
from trainer.studies.__main__ import main
from trainer.studies.definitions import STUDIES, Study, feature_percentiles
from trainer.studies.probes import last_features
from trainer.studies.runs import run_study

pytestmark = pytest.mark.slow


def test_features_are_watched_where_the_study_asks(quick, drawn_photos, tmp_path):
    quick([{"norm": "gn", "n": 1, "learning_rate": 0.05, "seed": 0}], watch=feature_percentiles)
    run_study("depth", drawn_photos, tmp_path / "runs")
    table = pd.read_csv(tmp_path / "tables" / "depth.csv")
    row = table[table.split == "val"].iloc[0]
    assert 0 <= row.percentile_1 <= row.percentile_20 <= row.percentile_80 <= row.percentile_99


def test_harder_photos_are_scored_by_themselves_where_the_study_asks(
    tiny_recipe, drawn_photos, tmp_path, monkeypatch, capsys
):
    recipe = replace(tiny_recipe, norm="nn", epochs=1)
    monkeypatch.setitem(STUDIES, "recipe", Study("?", recipe, [{"seed": 0}], harder=True))
    monkeypatch.setattr(study_tables, "TABLES", tmp_path / "tables")
    monkeypatch.setattr(watching, "CHECKPOINTS", tmp_path)
    command = ["recipe", "--data", str(drawn_photos), "--output", str(tmp_path / "runs")]
    assert main(command) == 2
    assert "python -m trainer.evaluate.leakage" in capsys.readouterr().err
    result_file(tmp_path, "leakage.json").write_text('{"without_relative": ["val/no/such.png"]}')
    assert main(command) == 2
    assert "is of other photos" in capsys.readouterr().err
    val = [file.as_posix() for file in PhotoFolder(drawn_photos).files["val"]]
    result_file(tmp_path, "leakage.json").write_text(json.dumps({"without_relative": val}))
    assert main(command) == 0
    table = pd.read_csv(tmp_path / "tables" / "recipe.csv")
    row = table[table.split == "val"].iloc[0]
    assert row.accuracy_without_relatives == row.accuracy
    assert 0 <= row.accuracy_other_filter <= 1


def test_what_is_watched_enters_the_last_pooling():
    torch.manual_seed(0)
    network = ResNet(NORMS["torch-bn"], n=1, outputs=3)
    photos = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    features = last_features(network, photos, "cpu")
    assert network.training
    assert features.shape == (4, 64, 4, 4)
    network.eval()
    with torch.inference_mode():
        logits = network(to_input(torch.from_numpy(photos)))
        pooled = torch.from_numpy(features).mean(dim=(2, 3))
        assert torch.allclose(network.linear(pooled), logits, atol=1e-5)

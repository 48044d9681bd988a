import numpy as np
import pandas as pd
import pytest
import torch

from trainer.model.norms import NORMS
from trainer.model.resnet import ResNet, to_input
from trainer.studies.definitions import feature_percentiles
from trainer.studies.probes import last_features
from trainer.studies.runs import run_study


@pytest.mark.slow
def test_features_are_probed_where_the_study_asks(quick, drawn_photos, tmp_path):
    quick([{"norm": "gn", "n": 1, "learning_rate": 0.05, "seed": 0}], probe=feature_percentiles)
    run_study("depth", drawn_photos, tmp_path / "runs")
    table = pd.read_csv(tmp_path / "tables" / "depth.csv")
    row = table[table.split == "val"].iloc[0]
    assert 0 <= row.percentile_1 <= row.percentile_20 <= row.percentile_80 <= row.percentile_99


def test_probed_features_enter_the_last_pooling():
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

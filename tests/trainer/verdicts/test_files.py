"""The files of results that are committed."""

import hashlib
import json

import pytest

from plumage.contract import MODEL, RESULTS
from trainer.recipe import CHECKPOINTS
from trainer.verdicts import VERDICTS


@pytest.mark.parametrize("name", VERDICTS)
def test_the_verdicts_are_those_of_the_rows(name):
    found = json.loads((CHECKPOINTS / RESULTS / f"{name}.json").read_text())
    assert VERDICTS[name](json.loads(json.dumps(found))) == found


def test_the_comparison_is_of_the_models_that_are_shipped():
    found = json.loads((CHECKPOINTS / RESULTS / "comparison.json").read_text())
    models = {
        path.parent.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in CHECKPOINTS.glob(f"*/{MODEL}")
    }
    assert found["models"] == models

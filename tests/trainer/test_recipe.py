from dataclasses import FrozenInstanceError, replace

import pytest

from trainer.model.norms import NORMS
from trainer.recipe import PRESETS, NormKey, Recipe


def test_a_recipe_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        Recipe().epochs = 3  # type: ignore[misc]


def test_every_norm_is_a_choice_of_the_command_line():
    assert set(NormKey.__args__) == set(NORMS)


def test_the_report_preset_is_the_reports_own_set_up():
    report = PRESETS["report"]
    assert (report.optimizer, report.learning_rate) == ("sgd", 1e-4)
    assert (report.batch_size, report.epochs, report.image_size) == (32, 50, 256)
    assert report.augmentation == "none"


def test_differences_name_changed_hyperparameters_but_no_places():
    stored = Recipe(data="elsewhere", device="cuda", workers=7).as_dict()
    assert Recipe().differences(stored) == []
    assert replace(Recipe(), epochs=3, seed=1).differences(stored) == ["epochs", "seed"]


def test_what_a_stored_recipe_lacks_counts_as_the_default():
    stored = Recipe().as_dict()
    del stored["nesterov"], stored["photos_per_species"]
    assert Recipe().differences(stored) == []
    assert replace(Recipe(), nesterov=False).differences(stored) == ["nesterov"]

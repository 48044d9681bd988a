import math
from dataclasses import FrozenInstanceError, replace

import pytest

from trainer.model.norms import NORMS
from trainer.recipe import FITTED, POSSIBLE, PRESETS, NormKey, Recipe, RecipeError, flag_of


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
    stored = Recipe(data="elsewhere", device="cuda").as_dict() | {"workers": 7}
    assert Recipe().differences(stored) == []
    assert replace(Recipe(), epochs=3, seed=1).differences(stored) == ["epochs", "seed"]


def test_a_recipe_of_an_earlier_version_is_read_by_the_names_of_today():
    stored = Recipe().as_dict() | {"schedule": "one-cycle"}
    assert Recipe.from_report(stored) == Recipe(schedule="one-cycle") == Recipe()
    assert Recipe().schedule == "triangular"
    assert Recipe().differences(stored) == []


def test_of_the_outliers_it_counts_whether_there_are_any_and_not_where_they_lie():
    with_outliers = Recipe(outliers="here").as_dict()
    assert Recipe(outliers="there").differences(with_outliers) == []
    assert Recipe().differences(with_outliers) == ["outliers"]


def test_what_a_stored_recipe_lacks_counts_as_the_default():
    stored = Recipe().as_dict()
    del stored["nesterov"], stored["photos_per_species"]
    assert Recipe().differences(stored) == []
    assert replace(Recipe(), nesterov=False).differences(stored) == ["nesterov"]


def test_the_presets_and_their_limits_are_possible():
    for recipe in PRESETS.values():
        recipe.check()
    replace(Recipe(), n=1, batch_size=1, epochs=1, smallest_crop=1.0, device="cuda:1").check()


@pytest.mark.parametrize("name", POSSIBLE)
def test_a_value_that_no_network_can_be_trained_with_names_its_flag(name):
    impossible = {"device": "gpu"}.get(name, -1)
    flag = flag_of(name)
    with pytest.raises(RecipeError, match=rf"^{flag} {impossible} is not possible: it must be "):
        replace(Recipe(), **{name: impossible}).check()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("image_size", 0),
        ("n", 0),
        ("learning_rate", float("nan")),
        ("learning_rate", 0.0),
        ("weight_decay", float("inf")),
        ("momentum", 1.0),
        ("smallest_crop", 0.0),
    ],
)
def test_values_just_outside_are_not_possible_either(name, value):
    with pytest.raises(RecipeError):
        replace(Recipe(), **{name: value}).check()


def test_a_stored_recipe_is_read_whatever_earlier_versions_kept_beside_it():
    stored = Recipe(norm="gn", epochs=3).as_dict() | {"workers": 2}
    del stored["nesterov"]
    assert Recipe.from_report(stored) == Recipe(norm="gn", epochs=3)


@pytest.mark.parametrize("photos", [28, 100, 319, 320, 1279, 1280, 2000])
def test_a_small_set_gets_hundreds_of_steps_of_a_batch_that_fits_it(photos):
    recipe = Recipe().fitted(photos, given=())
    assert math.ceil(photos / recipe.batch_size) * recipe.epochs >= 600
    assert recipe.batch_size == (16 if photos < 320 else 32 if photos < 1280 else 64)
    assert recipe.learning_rate / recipe.batch_size == Recipe().learning_rate / 64


def test_the_recipe_of_a_large_set_is_the_default():
    for photos in (2_400, 22_738):
        assert Recipe().fitted(photos, given=()) == Recipe()


def test_what_is_given_is_not_fitted():
    assert Recipe().fitted(28, given=FITTED) == Recipe()
    fitted = replace(Recipe(), epochs=3).fitted(28, given=("epochs",))
    assert (fitted.epochs, fitted.batch_size) == (3, 16)
    fitted = replace(Recipe(), batch_size=64).fitted(28, given=("batch_size",))
    assert (fitted.batch_size, fitted.learning_rate, fitted.epochs) == (64, 0.2, 600)

from dataclasses import replace

import pytest

from trainer.recipe import Recipe
from trainer.schedule import has_outliers, learning_rate, training_size


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        ("constant", [1, 1, 1, 1]),
        ("step", [1, 1, 0.1, 0.01]),
        ("cosine", [1, 0.8536, 0.5, 0.1464]),
        ("triangular", [0.04, 1, 2 / 3, 1 / 3]),
    ],
)
def test_schedules_at_the_quarters_of_a_run(schedule, factors):
    recipe = Recipe(schedule=schedule, epochs=20, learning_rate=0.3)
    rates = [learning_rate(recipe, epoch) for epoch in (0, 5, 10, 15)]
    assert rates == pytest.approx([0.3 * f for f in factors], rel=1e-3)


def test_warm_up_rises_from_zero():
    recipe = Recipe(schedule="constant", warmup=4, epochs=20, learning_rate=1.0)
    assert [learning_rate(recipe, e) for e in (0, 1, 4, 9)] == [0, 0.25, 1, 1]


def test_training_crops_grow_to_their_full_size():
    recipe = Recipe(image_size=96, first_scale=0.67, epochs=20)
    sizes = [training_size(recipe, epoch) for epoch in range(20)]
    assert (sizes[0], sizes[-1]) == (64, 96)
    assert sizes == sorted(sizes)
    assert all(size % 8 == 0 for size in sizes)


def test_the_last_epochs_have_outliers_or_all_or_none():
    recipe = Recipe(epochs=4, outliers="strange")
    for last, expected in ((None, [1, 1, 1, 1]), (1, [0, 0, 0, 1]), (9, [1, 1, 1, 1])):
        asked = replace(recipe, outlier_epochs=last)
        assert [has_outliers(asked, epoch) for epoch in range(4)] == expected
    assert not has_outliers(replace(recipe, outliers=None), 3)

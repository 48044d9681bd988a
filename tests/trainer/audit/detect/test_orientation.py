import numpy as np

from trainer.audit.detect.orientation import flips, upside_down


def test_the_way_up_that_the_network_knows_better_wins():
    upright = np.array([[3, 0], [0, 1], [2, 0]], np.float32)
    flipped = np.array([[1, 9], [0, 4], [0, 5]], np.float32)
    # The first is judged by its own species, the last, of none that is known, by the best.
    assert upside_down(upright, flipped, np.array([0, 1, -1])).tolist() == [False, True, True]


def test_a_species_with_half_its_photos_flipped_is_named_and_others_are_not():
    labels = np.repeat([0, 1], 40)
    down = np.concatenate([np.arange(40) % 2 == 0, np.arange(40) % 10 == 0])
    rows = flips(down, labels, ("Flipped", "Upright"))
    assert [(row.species, row.flipped, row.named) for row in rows] == [
        ("Flipped", 20, True),
        ("Upright", 4, False),
    ]

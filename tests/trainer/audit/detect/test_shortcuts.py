import numpy as np

from trainer.audit.detect.shortcuts import folds_of, score_cue

SPECIES = ("A", "B", "C", "D", "E")
LABELS = np.repeat(np.arange(5), 40)
GROUPS = np.arange(200)


def test_a_border_on_one_species_is_a_shortcut_and_names_it():
    rng = np.random.default_rng(0)
    values = np.where(LABELS == 2, rng.random(200) < 0.9, rng.random(200) < 0.02)[:, None] * 0.2
    cue = score_cue("border", values, LABELS, folds_of(LABELS, GROUPS), SPECIES)
    assert cue.shortcut
    assert cue.species == ("C",)
    assert cue.accuracy > cue.chance


def test_noise_is_no_shortcut():
    values = np.random.default_rng(0).normal(size=(200, 3))
    for name in ("size", "mean colour"):
        cue = score_cue(name, values, LABELS, folds_of(LABELS, GROUPS), SPECIES)
        assert not cue.shortcut
        assert abs(cue.auroc - 0.5) < 0.1


def test_a_cue_that_is_always_the_same_says_nothing():
    cue = score_cue("aspect", np.ones((200, 1)), LABELS, folds_of(LABELS, GROUPS), SPECIES)
    assert (cue.accuracy, cue.auroc, cue.shortcut) == (0.2, 0.5, False)


def test_near_duplicates_do_not_vote_for_each_other():
    rng = np.random.default_rng(0)
    values = np.repeat(rng.normal(size=(20, 1)), 10, axis=0)  # ten copies of each photo
    cue = score_cue("size", values, LABELS, folds_of(LABELS, np.repeat(np.arange(20), 10)), SPECIES)
    assert cue.accuracy < 0.6


def test_a_species_of_one_scene_does_not_keep_the_others_from_being_judged():
    groups = np.where(LABELS == 4, GROUPS[LABELS == 4][0], GROUPS)
    values = np.where(LABELS == 2, 0.2, 0.0)[:, None]
    cue = score_cue("border", values, LABELS, folds_of(LABELS, groups), SPECIES)
    assert cue.accuracy > cue.chance
    assert cue.species == ("C",)


def test_scenes_that_are_too_few_to_share_out_say_nothing():
    assert folds_of(LABELS, LABELS) == []

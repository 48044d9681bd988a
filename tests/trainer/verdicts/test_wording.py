import pytest

from trainer.verdicts import wording

SCORE = {"value": 0.861, "low": 0.843, "high": 0.878}


def test_shares_and_differences_are_written_in_percent_and_points():
    assert wording.percent(0.9354) == "93.5%"
    assert wording.percent_interval(SCORE) == "86.1 (84.3 to 87.8)"
    assert wording.points_interval(SCORE) == "+86.1 (+84.3 to +87.8)"
    assert wording.interval(SCORE) == "0.86 (0.84 to 0.88)"


@pytest.mark.parametrize(
    ("names", "words"),
    [(["a"], "`a`"), (["a", "b"], "`a` and `b`"), (["a", "b", "c"], "`a`, `b` and `c`")],
)
def test_names_are_listed_as_in_a_sentence(names, words):
    assert wording.code(names) == words


def test_a_variant_is_named_by_its_norm_where_it_is_one_of_the_seven():
    assert wording.display_norm("bin") == "Batch-instance norm (`bin`)"
    assert wording.display_norm("mine") == "`mine`"

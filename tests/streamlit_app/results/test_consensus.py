import numpy as np
import pytest

from streamlit_app.inference.classifier import Prediction
from streamlit_app.results.consensus import agreement, probabilities

BIRDS = ("Hoopoe", "House-Crow", "Indian-Pitta")


def answer(*shares: float, species: tuple[str, ...] = BIRDS) -> Prediction:
    maps = np.zeros((1, len(species), 2, 2))
    return Prediction(species, np.array([shares]), maps, np.array([False]), {})


HOOPOE, CROW, PITTA = answer(0.8, 0.1, 0.1), answer(0.2, 0.7, 0.1), answer(0.1, 0.3, 0.6)


def test_the_consensus_is_the_mean_and_sorts_the_table() -> None:
    table = probabilities({"bn": CROW, "gn": HOOPOE})
    assert table.consensus.to_dict() == pytest.approx(
        {"Hoopoe": 0.5, "House-Crow": 0.4, "Indian-Pitta": 0.1}
    )
    assert list(table.index) == ["Hoopoe", "House-Crow", "Indian-Pitta"]
    assert list(table.columns) == ["bn", "gn", "consensus"]


def test_variants_are_matched_by_species_whatever_their_order() -> None:
    turned = answer(0.1, 0.1, 0.8, species=BIRDS[::-1])
    table = probabilities({"bn": HOOPOE, "gn": turned})
    assert table.consensus["Hoopoe"] == pytest.approx(0.8)


def test_a_species_that_one_variant_does_not_know_has_probability_0_in_it() -> None:
    table = probabilities({"bn": HOOPOE, "mine": answer(0.5, 0.5, species=BIRDS[:2])})
    assert table.mine["Indian-Pitta"] == 0
    assert table.consensus.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([HOOPOE], "**`bn` says Eurasian Hoopoe.**"),
        ([CROW, CROW], "**Both say House Crow.**"),
        ([PITTA] * 3, "**All 3 say Indian Pitta.**"),
        ([HOOPOE, HOOPOE, CROW], "**2 of 3 say Eurasian Hoopoe.** `bin` says House Crow."),
        (
            [CROW, HOOPOE, HOOPOE, HOOPOE, CROW, PITTA],
            "**3 of 6 say Eurasian Hoopoe.** `bn` and `gn` say House Crow; `nn` says Indian Pitta.",
        ),
        ([CROW, HOOPOE], "**No two agree.** `in` says Eurasian Hoopoe; `bn` says House Crow."),
    ],
)
def test_who_agrees_with_whom_is_said_in_words(answers: list[Prediction], words: str) -> None:
    names = ["bn", "in", "bin", "ln", "gn", "nn"]
    assert agreement(probabilities(dict(zip(names, answers, strict=False)))) == words

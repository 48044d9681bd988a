import ast
import string
import sys
from pathlib import Path

import pytest

from plumage.contract import COVERAGE, SET_LEVELS, display_name, is_species_name


@pytest.mark.parametrize(
    "name",
    [
        *("House-Crow", "Kākā", "हुदहुद", "a" * 100, "Black & White Kite", "Crow (juv.) #2"),
        *(
            "\u0d2e\u0d2f\u0d3f\u0d32\u0d4d\u200d",
            "\u0646\u06cc\u0645\u200c\u062c\u062b",
            string.punctuation,
        ),
    ],
)
def test_a_printable_name_in_any_script_with_any_punctuation_may_be_a_species(name: str) -> None:
    assert is_species_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "\u200d",
        "a" * 101,
        "a\nb",
        "a\x7f",
        "a\u202eb",
        "a\u2066b",
        "a\u2028b",
        "\udce9",
        None,
        7,
    ],
)
def test_what_cannot_be_shown_may_not_be_a_species(name: object) -> None:
    assert not is_species_name(name)


def test_a_folder_name_is_displayed_with_spaces() -> None:
    assert display_name("Asian-Green_Bee-Eater") == "Asian Green Bee Eater"


def test_the_coverage_that_people_see_is_one_that_is_calibrated() -> None:
    assert COVERAGE in SET_LEVELS


def test_the_contract_needs_nothing_but_python() -> None:
    """So both sides can import it, and a program of somebody else's too."""
    path = Path(__file__).parents[2] / "plumage" / "contract.py"
    nodes = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ImportFrom)]
    assert {str(node.module) for node in nodes} <= sys.stdlib_module_names

import ast
import sys
from pathlib import Path

import pytest

from plumage.contract import COVERAGE, SET_LEVELS, display_name, is_species_name


@pytest.mark.parametrize("name", ["House-Crow", "Kākā", "हुदहुद", "a" * 100])
def test_a_printable_name_without_markup_may_be_a_species(name: str) -> None:
    assert is_species_name(name)


@pytest.mark.parametrize("name", ["", "a" * 101, "a\nb", "<b>", "a|b", "$x$", "R&B", None, 7])
def test_markup_and_what_is_no_name_may_not_be_a_species(name: object) -> None:
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

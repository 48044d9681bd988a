import pytest

from streamlit_app.markdown import escaped_name, isolated

ARABIC = "\u0627\u0644\u0647\u062f\u0647\u062f"


@pytest.mark.parametrize("name", ["Hoopoe", "\u0d2e\u0d2f\u0d3f\u0d32\u0d4d", "\u9e1f"])
def test_a_name_from_left_to_right_stays_as_it_is(name: str) -> None:
    assert isolated(name) == name


def test_a_name_from_right_to_left_does_not_turn_the_number_after_it() -> None:
    assert isolated(ARABIC) == f"\u2068{ARABIC}\u2069"
    assert escaped_name(ARABIC) == isolated(ARABIC)

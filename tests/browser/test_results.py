import csv
import re

import pytest
from playwright.sync_api import expect

from benchmarks.client.browser import choose, settle
from streamlit_app.inference.classifier import checkpoints_folder, variant_folders
from streamlit_app.results.scores import rank_variants
from tests.browser.conftest import Open

pytestmark = pytest.mark.slow

FOLDER = checkpoints_folder()
VARIANTS = list(rank_variants({path.name: path for path in variant_folders(FOLDER)}, FOLDER))


def test_scores_stand_first_and_their_numbers_are_downloaded(
    open_page: Open, size: tuple[int, int]
) -> None:
    page = open_page("results", size=size)
    expect(page.get_by_text("test photos")).not_to_have_count(0)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the numbers").click()
    assert download.value.suggested_filename == "scores.csv"
    with download.value.path().open(newline="") as file:
        assert {row["variant"] for row in csv.DictReader(file)} >= set(VARIANTS)


def test_tab_variant_and_species_stand_in_the_address_and_back_undoes_them(
    open_page: Open, size: tuple[int, int]
) -> None:
    page = open_page("results", size=size)
    page.get_by_role("tab", name="Per variant").click()
    variant = page.get_by_role("combobox", name="Variant")
    expect(variant).to_have_value(re.compile(f"^{VARIANTS[0]}:"))
    expect(page).to_have_url(re.compile(r"tab=Per\+variant"))
    settle(page)
    choose(page, "Variant", f"{VARIANTS[-1]}:")
    expect(page).to_have_url(re.compile(f"variant={VARIANTS[-1]}"))
    settle(page)
    choose(page, "Species", "House Crow")
    expect(page.get_by_text("Mistakes with House Crow")).to_be_visible()
    expect(page).to_have_url(re.compile("species=House-Crow"))
    page.go_back()
    expect(page.get_by_text("Most frequent mistakes")).to_be_visible()
    page.go_back()
    expect(variant).to_have_value(re.compile(f"^{VARIANTS[0]}:"))
    page.go_back()
    expect(variant).to_have_count(0)
    expect(page.get_by_role("tab", name="Accuracy")).to_have_attribute("aria-selected", "true")


def test_a_link_opens_its_tab_and_variant(open_page: Open) -> None:
    page = open_page("results", f"tab=Per+variant&variant={VARIANTS[2]}&species=Indian-Pitta")
    expect(page.get_by_role("combobox", name="Variant")).to_have_value(
        re.compile(f"^{VARIANTS[2]}:")
    )
    expect(page.get_by_text("Mistakes with Indian Pitta")).to_be_visible()


def test_tabs_are_opened_by_keyboard(open_page: Open) -> None:
    page = open_page("results")
    page.get_by_role("tab", name="Accuracy").focus()
    for name in ("Significance", "Training"):  # each key once the last one has done its work
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("tab", name=name)).to_be_focused()
        expect(page.get_by_role("tabpanel", name=name)).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Learning curves")).to_be_visible()

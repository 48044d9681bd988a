import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from benchmarks.client.browser import choose, give
from streamlit_app.inference.classifier import checkpoints_folder, variant_folders
from tests.browser.conftest import Open

pytestmark = pytest.mark.slow

VARIANTS = [folder.name for folder in variant_folders(checkpoints_folder())]


def test_every_variant_answers_with_its_own_heatmap(
    open_page: Open, kingfisher: Path, size: tuple[int, int]
) -> None:
    page = open_page("compare", size=size)
    expect(page.get_by_text("test photos")).to_have_count(len(VARIANTS))
    give(page, kingfisher)
    pictures = page.get_by_alt_text("bright colours mark")
    expect(pictures).to_have_count(1 + len(VARIANTS))  # the first has the mean
    assert len({picture.get_attribute("src") for picture in pictures.all()}) == 1 + len(VARIANTS)
    for name in VARIANTS:
        expect(page.get_by_text(re.compile(f"^{name}: ")).last).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the numbers").click()
    assert download.value.suggested_filename == "answers.csv"


def test_the_species_shown_stands_in_the_address_and_back_undoes_it(
    open_page: Open, kingfisher: Path
) -> None:
    page = open_page("compare")
    give(page, kingfisher)
    choose(page, "Evidence for", "Sarus Crane")
    expect(page.get_by_alt_text("evidence for Sarus Crane")).to_have_count(1 + len(VARIANTS))
    expect(page).to_have_url(re.compile("species=Sarus-Crane"))
    page.go_back()
    expect(page.get_by_alt_text("evidence for Sarus Crane")).to_have_count(0)

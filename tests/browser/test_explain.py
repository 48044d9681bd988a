import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from benchmarks.client.browser import choose, give, settle
from streamlit_app.inference.classifier import checkpoints_folder, variant_folders
from tests.browser.conftest import Open

pytestmark = pytest.mark.slow

VARIANTS = [folder.name for folder in variant_folders(checkpoints_folder())]


def test_a_photo_is_explained_by_every_variant_and_the_curve_is_downloaded(
    open_page: Open, kingfisher: Path, size: tuple[int, int]
) -> None:
    page = open_page("explain", size=size)
    give(page, kingfisher)
    expect(page.get_by_alt_text("bright colours mark")).to_have_count(1 + len(VARIANTS))
    expect(page.get_by_text("the area under the curve")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the numbers").last.click()
    assert re.fullmatch(r"deletion-.+\.csv", download.value.suggested_filename)
    with download.value.path().open(newline="") as file:
        assert {"erased", "probability"} <= csv.DictReader(file).__next__().keys()


def test_the_method_stands_in_the_address_and_back_undoes_it(
    open_page: Open, kingfisher: Path
) -> None:
    page = open_page("explain")
    give(page, kingfisher)
    picture = page.get_by_alt_text("bright colours mark").first
    before = picture.get_attribute("src") or ""
    choose(page, "Method", "Gradient")
    expect(page).to_have_url(re.compile("method=Gradient"))
    expect(picture).not_to_have_attribute("src", before)
    settle(page)
    page.go_back()
    expect(page).not_to_have_url(re.compile("method="))
    expect(picture).to_have_attribute("src", before)


def test_a_link_opens_its_variant_species_and_method(open_page: Open, kingfisher: Path) -> None:
    page = open_page("explain", "variant=gn&species=Sarus-Crane&method=Gradient")
    give(page, kingfisher)
    for label, value in {
        "Model": "gn: group norm",
        "Evidence for": "Sarus Crane",
        "Method": re.compile("^Gradient"),
    }.items():
        expect(page.get_by_role("combobox", name=label)).to_have_value(value)


def test_the_photo_is_erased_as_far_as_the_slider_says(open_page: Open, kingfisher: Path) -> None:
    page = open_page("explain")
    give(page, kingfisher)
    page.get_by_role("slider", name="Erased").press("End")
    expect(page.get_by_alt_text("100% of it erased")).to_be_visible()

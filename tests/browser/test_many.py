import csv
import re
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from benchmarks.client.browser import choose, give
from tests.browser.conftest import Open

pytestmark = pytest.mark.slow

BIRD = "White-breasted Kingfisher"


@pytest.fixture(scope="module")
def photos(
    tmp_path_factory: pytest.TempPathFactory, kingfisher: Path, no_photo: Path
) -> list[Path]:
    """A bird, the same mirrored, and a file that is no photo."""
    folder = tmp_path_factory.mktemp("many")
    with Image.open(kingfisher) as photo:
        photo.save(folder / "one.png")
        photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "two.jpg")
    return [folder / "one.png", folder / "two.jpg", no_photo]


def downloaded(page: Page, button: str) -> Path:
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    return download.value.path()


def rows(page: Page) -> dict[str, dict[str, str]]:
    """The table, by file."""
    with downloaded(page, "Download the table").open(encoding="utf-8-sig", newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def folders(page: Page) -> dict[str, str]:
    """By photo, the folder of the ZIP that it lies in."""
    with zipfile.ZipFile(downloaded(page, "Download the photos in folders")) as archive:
        return {Path(name).name: str(Path(name).parent) for name in archive.namelist()}


def test_many_photos_become_a_table_and_folders_and_a_bad_file_one_row(
    open_page: Open, photos: list[Path], size: tuple[int, int]
) -> None:
    page = open_page("many", size=size)
    give(page, *photos)
    expect(page.get_by_text("2 photos named, 1 could not be read.")).to_be_visible()
    table = rows(page)
    assert table.keys() == {"one.png", "two.jpg", "bird.jpg"}
    assert table["bird.jpg"]["error"]
    assert not table["bird.jpg"]["species"]
    assert not table["one.png"]["error"]
    sorted_into = folders(page)
    assert sorted_into["one.png"] == "train/White-Breasted-Kingfisher"
    assert sorted_into["bird.jpg"] == "apart/not read"


def test_a_bar_tells_how_far_the_photos_are(
    open_page: Open, photos: list[Path], tmp_path: Path
) -> None:
    for number in range(30):
        (tmp_path / f"{number}.png").write_bytes(photos[0].read_bytes())
    page = open_page("many")
    # It is gone once all are named: what it says is written down meanwhile.
    page.evaluate(
        """() => {
            window.said = [];
            new MutationObserver(() => document.querySelectorAll('[data-testid=stProgress]')
                .forEach(bar => window.said.push(bar.innerText)))
                .observe(document.body, {childList: true, subtree: true, characterData: true});
        }"""
    )
    give(page, *tmp_path.iterdir())
    expect(page.get_by_text("30 photos named.")).to_be_visible()
    said = page.evaluate("window.said")
    assert any(re.search(r"[0-9]+ of [0-9]+ photos", words) for words in said), said
    expect(page.get_by_test_id("stProgress")).to_have_count(0)


def test_a_row_corrected_by_hand_is_corrected_in_table_and_folders(
    open_page: Open, photos: list[Path]
) -> None:
    page = open_page("many")
    give(page, photos[0])
    expect(page.get_by_text("1 photo named.")).to_be_visible()
    # The table is painted; beneath the paint it has cells for screen readers, which tell its state.
    photo, species = (page.get_by_test_id(f"glide-cell-{column}-0") for column in (0, 1))
    expect(species).to_have_text(BIRD)
    page.get_by_test_id("data-grid-canvas").focus()
    expect(photo).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowRight")
    expect(species).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page.locator("#portal").get_by_role("combobox")).to_be_focused()
    page.keyboard.type("Hoopoe")
    expect(page.get_by_role("option")).to_have_text("Eurasian Hoopoe")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 photo named, 1 corrected by hand.")).to_be_visible()
    assert rows(page)["one.png"]["corrected species"] == "Eurasian Hoopoe"
    assert folders(page) == {"one.png": "train/Hoopoe"}


def test_the_table_shows_only_what_is_asked_for_and_all_is_downloaded(
    open_page: Open, photos: list[Path]
) -> None:
    page = open_page("many")
    give(page, photos[0])
    choose(page, "Show only these species", "House Crow")
    page.keyboard.press("Escape")
    expect(page.get_by_text("No photos match these filters.")).to_be_visible()
    assert rows(page).keys() == {"one.png"}


def test_a_link_opens_its_variant_and_another_stands_in_the_address(open_page: Open) -> None:
    page = open_page("many", "variant=nn")
    model = page.get_by_role("combobox", name="Model")
    expect(model).to_have_value("nn: no norm")
    choose(page, "Model", "gn:")
    expect(page).to_have_url(re.compile("variant=gn"))
    page.go_back()
    expect(model).to_have_value("nn: no norm")

"""Names of species that HTML, Markdown, TeX or a file system would take otherwise."""

import csv
import json
import zipfile
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from benchmarks.client.browser import PAGES, give, served, settle
from tests.conftest import colour_checkpoint, draw_bird
from tests.measurements import draw_comparison, result_file, write_report

pytestmark = pytest.mark.slow

# By the colour of its bird.
NAMES = {
    "red": "<b>x</b>",
    "lime": "a|b",
    "blue": "$x$",
    "yellow": "*y*",
    "cyan": "[l](u)",
    "magenta": "../z",
}
# What the pages would hold if a name were taken for more than text.
TAKEN = "b:text-is('x'), em:text-is('y'), a[href$='u'], table td:text-is('a'), .katex"


def show(page: Page, address: str, name: str, **query: str) -> None:
    page.goto(f"{address}{PAGES[name]}?{urlencode(query)}")
    settle(page)


def check_plain(page: Page) -> None:
    settle(page)
    expect(page.locator(TAKEN)).to_have_count(0)


def download(page: Page, button: str) -> Path:
    with page.expect_download() as started:
        page.get_by_role("button", name=button).click()
    return started.value.path()


def test_any_name_is_shown_as_it_is_on_every_page_and_is_one_folder(
    context: BrowserContext, tmp_path: Path
) -> None:
    names, checkpoints = list(NAMES.values()), tmp_path / "checkpoints"
    write_report(checkpoints / "bn")
    colour_checkpoint(checkpoints / "bn", species=json.dumps(names))
    comparison = json.dumps(draw_comparison(["bn"], names))
    result_file(checkpoints, "comparison.json").write_text(comparison, encoding="utf-8")
    photos = [tmp_path / f"{colour}.png" for colour in NAMES]
    for photo in photos:
        draw_bird(photo.stem).save(photo)
    page = context.new_page()
    with served(PLUMAGE_CHECKPOINTS=str(checkpoints)) as address:
        show(page, address, "identify")
        expect(page.locator(".guide li > b")).to_have_text(sorted(names))
        for photo in photos:
            give(page, photo)
            heading = page.get_by_role("heading", level=2).first
            expect(heading).to_contain_text(f"{NAMES[photo.stem]}, ")
            check_plain(page)

        show(page, address, "compare")
        give(page, photos[0])
        expect(page.get_by_role("heading", level=2).first).to_contain_text(f"{names[0]}, ")
        expect(page.get_by_role("heading", name=f"Evidence for {names[0]} in")).to_be_visible()
        check_plain(page)

        for name in names:
            show(page, address, "results", tab="Per variant", variant="bn", species=name)
            expect(page.get_by_text(f"Mistakes with {name}")).to_be_visible()
            check_plain(page)

        show(page, address, "many")
        give(page, *photos)
        expect(page.get_by_text("6 photos named.")).to_be_visible()
        check_plain(page)
        with download(page, "Download the table").open(encoding="utf-8-sig", newline="") as file:
            species = {row["file"]: row["species"] for row in csv.DictReader(file)}
        assert species == {f"{colour}.png": name for colour, name in NAMES.items()}
        with zipfile.ZipFile(download(page, "Download the photos in folders")) as archive:
            places = {Path(name).name: Path(name).parts[:-1] for name in archive.namelist()}
        assert places.keys() == species.keys()
        assert all(len(folders) == 2 for folders in places.values())
        assert len(set(places.values())) == 6
        assert not {character for (_, folder) in places.values() for character in folder} & set(
            '<>:"/\\|?*'
        )
    page.close()


def test_the_longest_name_makes_no_page_wider_than_a_phone(
    context: BrowserContext, tmp_path: Path
) -> None:
    names = [letter * 100 for letter in "WMQABC"]
    colour_checkpoint(tmp_path / "checkpoints" / "bn", species=json.dumps(names))
    draw_bird("red").save(tmp_path / "bird.png")
    page = context.new_page()
    page.set_viewport_size({"width": 360, "height": 640})
    with served(PLUMAGE_CHECKPOINTS=str(tmp_path / "checkpoints")) as address:
        for name in ("identify", "compare", "explain"):
            show(page, address, name)
            give(page, tmp_path / "bird.png")
            main = page.get_by_test_id("stMain")
            assert main.evaluate("main => main.scrollWidth - main.clientWidth") == 0, name
    page.close()

"""From nothing to an answered photo: `--data demo`, the command that training prints, the app."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from benchmarks.client.browser import PAGES, ROOT, give, served, settle
from trainer.data.demo import BIRDS

pytestmark = pytest.mark.slow

# As `python -m trainer`, but for heatmaps of fewer photos, whose measures take most of its time.
TRAINER = "import sys, trainer.__main__ as it; it.MEASURED = 12; sys.exit(it.main(sys.argv[1:]))"
FLAGS = "--norm gn bn --data demo --n 1 --image-size 32 --stored-size 40 --epochs 4 --batch-size 32"


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def said(output: Path) -> str:
    """What training tells a newcomer."""
    command = [sys.executable, "-c", TRAINER, *FLAGS.split(), "--output", str(output)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.fixture(scope="module")
def page(context: BrowserContext, said: str) -> Iterator[tuple[Page, str]]:
    """A tab of the app that the last line opens, and its address."""
    (argument,) = re.findall("^Next: make app (.+)", said, re.MULTILINE)
    name, folder = shlex.split(argument)[0].split("=")
    assert name == "CHECKPOINTS"
    with served(PLUMAGE_CHECKPOINTS=folder) as address:
        page = context.new_page()
        yield page, address
        page.close()


def test_training_tells_the_photos_the_time_and_the_scores(said: str) -> None:
    for line in ("^all +240 +60 +80", "epochs of 8 steps take about", "^test +accuracy", "^guess"):
        assert re.search(line, said, re.MULTILINE), line


def test_a_drawn_bird_is_answered_by_its_class(page: tuple[Page, str], output: Path) -> None:
    tab, address = page
    tab.goto(address)
    settle(tab)
    expect(tab.get_by_text("The 4 classes")).to_be_visible()
    give(tab, output / "demo" / "test" / "Drawn-Heron" / "001.jpg")
    expect(tab.get_by_role("heading", level=2).first).to_contain_text(
        re.compile(rf"({'|'.join(BIRDS)}), \d|None of these 4 classes")
    )


@pytest.mark.parametrize("name", PAGES)
def test_every_page_shows_the_drawn_classes_without_a_fault_or_a_bird_of_the_25(
    page: tuple[Page, str], name: str
) -> None:
    tab, address = page
    tab.goto(f"{address}{PAGES[name]}")
    settle(tab)
    expect(tab.get_by_role("alert")).to_have_count(0)
    body = tab.locator("body").inner_text()
    assert not re.search(r"\bspecies\b|\bbirds?\b", body.replace("Drawn-", ""), re.IGNORECASE)


def test_results_compare_both_norms_on_the_test_photos(page: tuple[Page, str]) -> None:
    tab, address = page
    tab.goto(f"{address}results?tab=Per+variant")
    settle(tab)
    expect(tab.get_by_text("Measured on 80 test photos.")).to_be_visible()
    expect(tab.get_by_role("combobox", name="Class", exact=True)).to_be_visible()

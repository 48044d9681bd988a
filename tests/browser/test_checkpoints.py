"""What a visitor reads where checkpoints/ is empty or broken."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from benchmarks.client.browser import PAGES, served, settle

pytestmark = pytest.mark.slow

COMMAND = "python -m trainer --norm bn --data PHOTOS"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty one, then the tests' own."""
    return tmp_path_factory.mktemp("checkpoints")


@pytest.fixture(scope="module")
def page(context: BrowserContext, folder: Path) -> Iterator[tuple[Page, str]]:
    """A tab of an app with that folder, and the app's address."""
    with served(PLUMAGE_CHECKPOINTS=str(folder)) as address:
        page = context.new_page()
        yield page, address
        page.close()


def alerts(page: tuple[Page, str], name: str) -> list[str]:
    """What a page says is wrong."""
    tab, address = page
    tab.goto(f"{address}{PAGES[name]}")
    settle(tab)
    expect(tab.get_by_role("alert").first).to_be_visible()
    return tab.get_by_role("alert").all_inner_texts()


@pytest.mark.parametrize("name", PAGES)
def test_an_empty_folder_is_explained_in_one_sentence_with_the_command_that_mends_it(
    page: tuple[Page, str], name: str
) -> None:
    (said,) = alerts(page, name)
    assert COMMAND in said
    assert said.count(". ") == 0


@pytest.mark.parametrize("name", PAGES)
def test_a_broken_checkpoint_is_named_with_the_command_that_mends_it(
    page: tuple[Page, str], folder: Path, name: str
) -> None:
    (folder / "bn").mkdir(exist_ok=True)
    for file in ("model.onnx", "report.json"):
        (folder / "bn" / file).write_text("damaged")
    said = alerts(page, name)
    assert "bn" in said[0]
    assert COMMAND in said[-1]

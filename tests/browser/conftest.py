"""One server and one Chromium for all browser tests; each test has a window of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from docs.screenshots import draw_kingfisher
from tests.browser.window import CHROMIUM, PAGES, SIZES, chromium, served, settle

Open = Callable[..., Page]
expect.set_options(timeout=30_000)  # ms: a machine that is busy with other work is no fault


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium on the PATH")
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def address(browser: Browser) -> Iterator[str]:
    with served() as address:
        yield address


@pytest.fixture(scope="session")
def kingfisher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("photos") / "kingfisher.png"
    draw_kingfisher().save(file)
    return file


@pytest.fixture(params=SIZES)
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    """Desktop and phone, one after the other."""
    return SIZES[request.param]


@pytest.fixture
def open_page(browser: Browser, address: str) -> Iterator[Open]:
    """Opens a page by its name and waits until it has come to rest.

    query: the address after `?`. size: of the window. options: of Playwright's new_context.
    """
    contexts = []

    def open_page(
        name: str, query: str = "", size: tuple[int, int] = SIZES["desktop"], **options: Any
    ) -> Page:
        width, height = size
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.goto(f"{address}{PAGES[name]}?{query}")
        settle(page)
        return page

    yield open_page
    for context in contexts:
        context.close()

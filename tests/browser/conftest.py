"""One server, one Chromium and one visitor of many tabs: each test opens tabs of its own."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from benchmarks.client.browser import CHROMIUM, PAGES, SIZES, TIMEOUT, chromium, served, settle
from benchmarks.client.drawing import draw_kingfisher

Open = Callable[..., Page]


@pytest.fixture(scope="session")
def context() -> Iterator[BrowserContext]:
    """One for all, since a new one would load and compile Streamlit's own scripts again."""
    if CHROMIUM is None:
        say = pytest.fail if os.environ.get("CI") else pytest.skip
        say("there is no chromium on the PATH")
    with chromium() as browser:
        context = browser.new_context(permissions=["clipboard-read", "clipboard-write", "camera"])
        context.set_default_timeout(TIMEOUT)
        yield context


@pytest.fixture(scope="session")
def address(context: BrowserContext) -> Iterator[str]:
    with served() as address:
        yield address


@pytest.fixture(scope="session")
def kingfisher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("photos") / "kingfisher.png"
    draw_kingfisher().save(file)
    return file


@pytest.fixture(scope="session")
def no_photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("photos") / "bird.jpg"
    file.write_text("no photo")
    return file


@pytest.fixture(params=SIZES)
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    """Desktop and phones, one after the other."""
    return SIZES[request.param]


@pytest.fixture
def open_page(context: BrowserContext, address: str) -> Iterator[Open]:
    """Opens a page by its name in a tab of its own and waits until it has come to rest.

    query: the address after `?`. size: of the window.
    """
    tabs = []

    def open_page(name: str, query: str = "", size: tuple[int, int] = SIZES["desktop"]) -> Page:
        tabs.append(page := context.new_page())
        width, height = size
        page.set_viewport_size({"width": width, "height": height})
        page.goto(f"{address}{PAGES[name]}?{query}")
        settle(page)
        return page

    yield open_page
    for tab in tabs:
        tab.evaluate("localStorage.clear()")  # such as that the menu is open
        tab.close()

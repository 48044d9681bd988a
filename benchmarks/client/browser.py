"""The app in Chromium, as the browser tests, the README's pictures and the benchmark open it."""

import contextlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from benchmarks.client.visitor import serving

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium")
# By page: its place in the address.
PAGES = {
    path.stem: "" if path.stem == "identify" else path.stem
    for path in sorted((ROOT / "streamlit_app" / "views").glob("*.py"))
}
SIZES = {"desktop": (1280, 900), "phone": (390, 844), "small phone": (360, 640)}
TIMEOUT = 300_000  # ms: a machine that is busy with other work is no fault
expect.set_options(timeout=TIMEOUT)
# A camera that shows a test picture, and a visitor who lets every page use it.
_CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
_QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
# A page that is loaded, has nothing to run and no photo, chart or table on its way.
_SETTLED = """() => document.querySelector('h1')
    && document.querySelector('[data-test-script-state=notRunning]')
    && !document.querySelector('[data-testid=stSkeleton], [data-stale=true]')
    && [...document.images].every(image => image.complete)
    && [...document.querySelectorAll('[data-testid=stVegaLiteChart]')]
        .every(chart => chart.querySelector('svg, canvas'))"""


@contextlib.contextmanager
def served(**environment: str) -> Iterator[str]:
    """Run the app, with the checkpoints that are shipped where nothing else is said; its address.

    environment: such as PLUMAGE_CHECKPOINTS.
    """
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app/main.py"]
    with serving([*command, "--server.headless=true"], ROOT, **environment) as (host, _):
        yield f"http://{host}/"


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, which is named `chromium` on the PATH."""
    with sync_playwright() as playwright:
        # Chromium's own sandbox refuses to run as root, and so in most containers.
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", *_QUIET, *_CAMERA]
        )
        yield browser
        browser.close()


def settle(page: Page) -> None:
    """Return once the page has come to rest."""
    page.wait_for_function(_SETTLED)


def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until this has the focus."""
    for _ in range(20):
        page.keyboard.press("Tab")
        if target.evaluate("target => target === document.activeElement"):
            break
    expect(target).to_be_focused()


def choose(page: Page, label: str, name: str) -> None:
    """Choose from a list by keyboard, as anyone can."""
    settle(page)  # a list that is drawn again loses typed letters
    box = page.get_by_role("combobox", name=label)
    box.focus()
    expect(box).to_be_focused()
    page.keyboard.type(name)
    expect(box).to_have_value(name)
    expect(page.get_by_role("option").first).to_contain_text(name)
    page.keyboard.press("Enter")


def give(page: Page, *photos: Path) -> None:
    """Upload photos and return once they are answered."""
    page.locator("input[type=file]").set_input_files(photos)
    wait_for_answer(page)


def wait_for_answer(page: Page) -> None:
    """Return once the page has answered its photos."""
    # What only an answered page has: even without a photo there are numbers to download on Explain.
    answered = page.get_by_alt_text("Your photo").or_(page.get_by_test_id("stDataFrame"))
    expect(answered.first).to_be_visible()
    expect(page.get_by_role("button", name="Download").first).to_be_visible()
    settle(page)

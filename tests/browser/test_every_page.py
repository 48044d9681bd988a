"""What holds for every page: empty and answered, large and small, light and dark."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect

from benchmarks.client.browser import PAGES, SIZES, give, settle, tab_to, wait_for_answer
from tests.browser.conftest import Open

pytestmark = pytest.mark.slow

TITLES = {
    "identify": "Identify",
    "many": "Many photos",
    "compare": "Compare",
    "explain": "Explain",
    "results": "Results",
}
RESULTS = [
    "Accuracy",
    "Significance",
    "Training",
    "Per variant",
    "Uncertainty",
    "Shortcut learning",
]
TAKE_PHOTOS = [name for name in PAGES if name != "results"]
# A page with its address after `?`, and whether it is given a photo.
STATES = [(name, "", given) for name in TAKE_PHOTOS for given in (False, True)]
STATES += [("results", f"tab={tab}", False) for tab in RESULTS]
SERIOUS = ("serious", "critical")


@pytest.fixture(
    scope="module",
    params=STATES,
    ids=lambda state: f"{state[0]}-{state[1] or ('answered' if state[2] else 'empty')}",
)
def shown(
    request: pytest.FixtureRequest,
    context: BrowserContext,
    address: str,
    kingfisher: Path,
    no_photo: Path,
) -> Iterator[Page]:
    """A page in one of its states; the tests of it look and leave it as it is."""
    name, query, given = request.param
    page = context.new_page()
    page.set_viewport_size(dict(zip(("width", "height"), SIZES["desktop"], strict=True)))
    page.goto(f"{address}{PAGES[name]}?{query}")
    settle(page)
    if given:
        give(page, kingfisher, *([no_photo] if name == "many" else []))
    yield page
    page.close()


def faults(page: Page) -> list[str]:
    """What axe-core finds serious: its rule, and where."""
    found = Axe().run(page).response["violations"]
    return [
        f"{fault['id']}: {[node['target'] for node in fault['nodes']]}"
        for fault in found
        if fault["impact"] in SERIOUS
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(shown: Page, scheme: str) -> None:
    shown.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page = shown.get_by_test_id("stApp")
    white, black = "rgb(255, 255, 255)", "rgb(23, 22, 20)"
    expect(page).to_have_css("background-color", white if scheme == "light" else black)
    try:
        for width, height in SIZES.values():
            shown.set_viewport_size({"width": width, "height": height})
            assert not faults(shown)
    finally:
        shown.emulate_media(color_scheme="light")


@pytest.mark.parametrize("width", [1280, 390, 360])
def test_nothing_is_wider_than_the_window(shown: Page, width: int) -> None:
    shown.set_viewport_size({"width": width, "height": 844})
    shown.wait_for_function(
        """() => [document.documentElement, document.querySelector('[data-testid=stMain]')]
            .every(part => part.scrollWidth <= part.clientWidth)"""
    )


def test_every_picture_and_chart_is_described_and_every_chart_has_title_and_numbers(
    shown: Page,
) -> None:
    assert all(shown.locator("img").evaluate_all("pictures => pictures.map(p => p.alt)"))
    charts = shown.get_by_test_id("stVegaLiteChart")
    titles = shown.locator("[data-testid=stVegaLiteChart] .role-title text")
    assert titles.count() == charts.count()
    fonts = titles.evaluate_all("titles => titles.map(t => getComputedStyle(t).fontFamily)")
    assert all("Source Sans" in font for font in fonts)
    assert shown.locator("[data-testid=stVegaLiteChart][aria-label]").count() == charts.count()
    assert shown.get_by_role("button", name="Download the numbers").count() == charts.count()


# By how much of the window, times how far, what was shown has moved: the web's own measure, of
# which up to 0.1 passes for good (https://web.dev/articles/cls). Here it is half of that at most,
# however slow the browser: what is drawn apart then has moved the more.
WATCH = """window.moved = 0;
new PerformanceObserver(list => list.getEntries().forEach(entry => window.moved += entry.value))
    .observe({type: 'layout-shift'});"""


@pytest.mark.parametrize("name", TAKE_PHOTOS)
@pytest.mark.parametrize("way", ["upload", "example"])
def test_nothing_jumps_while_a_slow_browser_shows_the_answer(
    open_page: Open, name: str, way: str, kingfisher: Path, size: tuple[int, int]
) -> None:
    page = open_page(name, size=size)
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 4})
    page.evaluate(WATCH)
    if way == "upload":
        give(page, kingfisher)
    else:
        page.get_by_role("button", name=re.compile("^(Try the examples|Bird)$")).click()
        wait_for_answer(page)
    assert page.evaluate("window.moved") < 0.05


@pytest.mark.parametrize("name", ["identify", "explain"])
def test_a_tall_photo_fits_the_window(open_page: Open, name: str, tmp_path: Path) -> None:
    Image.effect_noise((300, 1500), 60).convert("RGB").save(tmp_path / "tall.png")
    page = open_page(name)
    give(page, tmp_path / "tall.png")
    box = page.get_by_alt_text("evidence for").first.bounding_box()
    assert box is not None
    assert box["height"] < SIZES["desktop"][1]
    assert box["height"] == pytest.approx(5 * box["width"], rel=0.02)


@pytest.mark.parametrize("name", TAKE_PHOTOS)
def test_examples_are_in_a_phones_first_view(open_page: Open, name: str) -> None:
    page = open_page(name, size=SIZES["small phone"])
    examples = page.get_by_role("button", name=re.compile("^(Try the examples|.*[Bb]ird)$"))
    boxes = [box for box in (button.bounding_box() for button in examples.all()) if box]
    assert len(boxes) == (1 if name == "many" else 4)
    assert max(box["y"] + box["height"] for box in boxes) <= SIZES["small phone"][1]


@pytest.mark.parametrize("name", ["identify", "compare", "explain"])
def test_a_photo_is_as_wide_as_its_column(
    open_page: Open, name: str, tmp_path: Path, size: tuple[int, int]
) -> None:
    Image.effect_noise((1200, 900), 60).convert("RGB").save(tmp_path / "photo.png")
    page = open_page(name, size=size)
    give(page, tmp_path / "photo.png")
    photo = page.get_by_alt_text("evidence for").first.bounding_box()
    column = page.locator(".st-key-view").bounding_box()
    assert photo is not None
    assert column is not None
    assert photo["width"] == pytest.approx(column["width"], abs=1)


def test_many_files_make_the_page_no_longer(open_page: Open, no_photo: Path) -> None:
    page = open_page("many")
    give(page, *[no_photo] * 40)
    table = page.get_by_test_id("stDataFrame").bounding_box()
    assert table is not None
    bottom = table["y"] + table["height"]
    assert page.get_by_test_id("stMain").evaluate("main => main.scrollHeight") < bottom + 100


def test_the_pages_are_reached_by_keyboard_and_back_returns(open_page: Open) -> None:
    page = open_page("identify")
    heading = page.get_by_role("heading", level=1)
    headings = {}
    for name in [name for name in TITLES if name != "identify"]:
        before = heading.inner_text()
        tab_to(page, page.get_by_role("link", name=TITLES[name], exact=True))
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/{name}")
        expect(heading).not_to_have_text(before)
        settle(page)
        headings[name] = heading.inner_text()
        page.locator("body").press("Shift+Tab")
        page.evaluate("document.activeElement.blur()")
    for name in reversed(list(headings)[:-1]):
        page.go_back()
        page.wait_for_url(f"**/{name}")
        expect(heading).to_have_text(headings[name])
        settle(page)


def test_the_pages_are_reached_on_a_phone(open_page: Open) -> None:
    page = open_page("identify", size=SIZES["phone"])
    page.get_by_test_id("stExpandSidebarButton").click()
    page.get_by_role("link", name="Results").click()
    page.wait_for_url("**/results")
    expect(page.get_by_role("heading", level=1)).to_have_text("Results")

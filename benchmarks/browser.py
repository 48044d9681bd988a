"""Waiting times of the app in a browser.

    python -m benchmarks.browser

The app as it is shipped, with a drawn bird, in Chromium on the same cores: from the file handed
over to the answer and its heatmap on the page, and from a click on a page's name to the page at
rest, by the browser's own clock. The aims: the median under 300 ms for an answer of one variant and
under 500 ms for a page.
"""

import itertools
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Page

from benchmarks.client.browser import PAGES, SIZES, chromium, served, settle
from benchmarks.client.drawing import draw_kingfisher
from benchmarks.timing import report

REPEATS = 11
ANSWER, CHANGE = 300, 500  # milliseconds, the aims
# The heading with the species, and the photo with its heatmap.
ANSWERED = """() => document.querySelector('h2') && [...document.images]
    .some(image => image.alt.includes('bright colours') && image.complete)"""
TITLED = "before => ![before, undefined].includes(document.querySelector('h1')?.innerText)"
# When the page was last given a file or clicked on.
MARK = """for (const kind of ['change', 'click'])
    addEventListener(kind, () => performance.mark('begun'), true)"""
ELAPSED = "() => performance.now() - performance.getEntriesByName('begun').at(-1).startTime"


def photos(folder: Path) -> Iterator[Path]:
    """Drawn birds, each another photo to the app, which keeps its answers."""
    bird = draw_kingfisher()
    for count in itertools.count():
        bird.putpixel((0, 0), (count, 0, 0))
        bird.save(file := folder / f"{count}.png")
        yield file


def answering(page: Page, address: str, photo: Path) -> float:
    """Milliseconds from a photo handed over to its answer and heatmap on the page."""
    page.goto(address)
    settle(page)
    page.locator("input[type=file]").set_input_files(photo)
    page.wait_for_function(ANSWERED)
    return float(page.evaluate(ELAPSED))


def changing(page: Page, name: str) -> float:
    """Milliseconds from a click on a page's name to that page at rest."""
    before = page.locator("h1").inner_text()
    page.locator(f"header a[href$='/{PAGES[name]}']").click()
    page.wait_for_function(TITLED, arg=before)
    settle(page)
    return float(page.evaluate(ELAPSED))


def main() -> None:
    """Time answers and page changes, and say whether the medians hold their aims."""
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, served() as address, chromium() as browser:
        width, height = SIZES["desktop"]
        page = browser.new_page(viewport={"width": width, "height": height})
        page.add_init_script(MARK)
        given = photos(Path(folder))
        for _ in range(REPEATS + 1):
            answered = answering(page, address, next(given))
            times.setdefault("a photo to its answer", []).append(answered)
            for name in [*(name for name in PAGES if name != "identify"), "identify"]:
                times.setdefault(f"to the page {name}", []).append(changing(page, name))
    rows = []
    for what, measured in times.items():
        aim = ANSWER if what.startswith("a photo") else CHANGE
        median = statistics.median(measured[1:])  # the first opens and loads everything
        rows.append(
            {
                "what": what,
                "median, ms": median,
                "slowest, ms": max(measured[1:]),
                "aim": aim,
                "holds": median < aim,
            }
        )
    report("browser", "In the browser: what a person waits for", rows)


if __name__ == "__main__":
    main()

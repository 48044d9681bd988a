"""Draw the README's pictures of the app: `make screenshots`.

The app is started, given drawn birds, since photographs belong to somebody, and photographed in
Chromium: every page on a desk, and the one that identifies on a phone too.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

from benchmarks.client.browser import PAGES, SIZES, chromium, give, served, settle
from benchmarks.client.drawing import BARBET, CROW, draw_bird, draw_kingfisher

DOCS = Path(__file__).parent
# Each page, its window, and the heading that it is scrolled to, if any.
PICTURES = (
    ("identify", "desktop", None),
    ("identify", "phone", "Kingfisher"),
    ("many", "desktop", None),
    ("compare", "desktop", None),
    ("explain", "desktop", "in each variant"),
    ("results", "desktop", None),
)


def draw_all(folder: Path) -> list[Path]:
    """The files of several birds, the kingfisher first, and of one that cannot be read."""
    birds = {
        "kingfisher": draw_kingfisher(),
        "turned round": draw_kingfisher().transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "crow": draw_bird(CROW),
        "green": draw_bird(BARBET),
    }
    for name, bird in birds.items():
        bird.save(folder / f"{name}.png")
    (unread := folder / "not copied.png").touch()
    return [*(folder / f"{name}.png" for name in birds), unread]


def shrink(path: Path) -> None:
    """Keep 256 colours of a picture, mixed by dots: half the bytes."""
    with Image.open(path) as picture:
        colours = picture.convert("RGB")
    # Of Pillow's palettes the one that keeps the colours of a heatmap, which is small.
    palette = colours.quantize(method=Image.Quantize.FASTOCTREE)
    colours.quantize(palette=palette).save(path, optimize=True)


def take(page: Page, photos: Sequence[Path], heading: str | None, path: Path) -> None:
    """Upload photos, if any, to the open page and keep what is then shown in a file."""
    settle(page)
    if photos:
        give(page, *photos)
    if heading:
        page.get_by_role("heading", name=heading).evaluate("heading => heading.scrollIntoView()")
    page.wait_for_timeout(1000)  # a table paints its thumbnails, and nothing tells when
    page.screenshot(path=path)
    shrink(path)


def main() -> None:
    """Write the pictures beside this file."""
    with tempfile.TemporaryDirectory() as folder, served() as address, chromium() as browser:
        birds = draw_all(Path(folder))
        given = {"many": birds, "results": []}
        for name, size, heading in PICTURES:
            width, height = SIZES[size]
            page = browser.new_page(viewport={"width": width, "height": height})
            page.goto(f"{address}{PAGES[name]}")
            take(page, given.get(name, birds[:1]), heading, DOCS / f"{name}-{size}.png")
            page.close()


if __name__ == "__main__":
    main()

"""Draw the README's pictures of the app: `make screenshots`.

The app is started, given drawn birds, since photographs belong to somebody, and photographed in
Chromium: every page on a desk, and the one that identifies on a phone too.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from playwright.sync_api import Page

from tests.browser.window import PAGES, SIZES, chromium, give, served, settle

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
KINGFISHER = {
    "tail": (24, 120, 176),
    "belly": (112, 58, 34),
    "wing": (28, 136, 190),
    "head": (112, 58, 34),
    "breast": (240, 236, 226),
    "bill": (196, 48, 36),
}
CROW = dict.fromkeys(KINGFISHER, (30, 30, 34)) | {"breast": (120, 116, 112)}
BARBET = dict.fromkeys(KINGFISHER, (70, 140, 52)) | {
    "head": (120, 76, 48),
    "breast": (120, 76, 48),
    "bill": (222, 128, 50),
}


def draw_bird(colours: dict[str, tuple[int, int, int]]) -> Image.Image:
    """A bird on a twig, each part in its colour."""
    scene = Image.new("RGB", (480, 480), (126, 150, 96))
    pen = ImageDraw.Draw(scene)
    for y in range(480):
        pen.line((0, y, 480, y), fill=(110 + y // 12, 140 + y // 16, 84 + y // 10))
    scene = scene.filter(ImageFilter.GaussianBlur(6))
    pen = ImageDraw.Draw(scene)
    pen.line((0, 372, 480, 344), fill=(84, 62, 42), width=16)
    pen.polygon([(150, 330), (96, 420), (128, 428), (190, 350)], fill=colours["tail"])
    pen.ellipse((140, 170, 300, 366), fill=colours["belly"])
    pen.polygon([(140, 230), (150, 350), (220, 330), (210, 200)], fill=colours["wing"])
    pen.ellipse((196, 96, 320, 220), fill=colours["head"])
    pen.ellipse((236, 176, 306, 300), fill=colours["breast"])
    pen.polygon([(306, 142), (424, 168), (310, 184)], fill=colours["bill"])
    pen.ellipse((276, 136, 294, 154), fill=(16, 14, 14))  # eye
    smooth = np.asarray(scene.filter(ImageFilter.GaussianBlur(1)))
    # The grain of a camera, without which a network may take it for no photo.
    grain = np.random.default_rng(0).normal(0, 12, smooth.shape)
    return Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8))


def draw_kingfisher() -> Image.Image:
    """A white-breasted kingfisher."""
    return draw_bird(KINGFISHER)


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

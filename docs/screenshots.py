"""Draw the README's picture of the app: `make screenshots`.

The app identifies a drawn bird in Chromium, since photographs belong to their photographers.
"""

import tempfile
from pathlib import Path

from PIL import Image

from benchmarks.client.browser import PAGES, SIZES, chromium, give, served, settle
from benchmarks.client.drawing import draw_kingfisher

PICTURE = Path(__file__).with_name("identify-desktop.png")


def shrink(path: Path) -> None:
    """Keep 256 colours of a picture, mixed by dots: half the bytes."""
    with Image.open(path) as picture:
        colours = picture.convert("RGB")
    # Of Pillow's palettes the one that keeps the colours of a heatmap, which is small.
    palette = colours.quantize(method=Image.Quantize.FASTOCTREE)
    colours.quantize(palette=palette).save(path, optimize=True)


def main() -> None:
    """Write the picture beside this file."""
    with tempfile.TemporaryDirectory() as folder, served() as address, chromium() as browser:
        photo = Path(folder) / "kingfisher.png"
        draw_kingfisher().save(photo)
        width, height = SIZES["desktop"]
        page = browser.new_page(viewport={"width": width, "height": height})
        page.goto(f"{address}{PAGES['identify']}")
        settle(page)
        give(page, photo)
        page.screenshot(path=PICTURE)
        shrink(PICTURE)


if __name__ == "__main__":
    main()

"""Draw the README's pictures of the app: `make screenshots`.

The app is started, given a drawn bird, and photographed in Chromium at desktop and phone size.
"""

import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter
from playwright.sync_api import Browser

from tests.browser.window import chromium, give, served

DOCS = Path(__file__).parent
SIZES = {"desktop": (1280, 900), "phone": (390, 1700)}


def draw_kingfisher() -> Image.Image:
    """A white-breasted kingfisher on a twig, drawn, since photographs belong to somebody."""
    scene = Image.new("RGB", (480, 480), (126, 150, 96))
    pen = ImageDraw.Draw(scene)
    for y in range(480):
        pen.line((0, y, 480, y), fill=(110 + y // 12, 140 + y // 16, 84 + y // 10))
    scene = scene.filter(ImageFilter.GaussianBlur(6))
    pen = ImageDraw.Draw(scene)
    pen.line((0, 372, 480, 344), fill=(84, 62, 42), width=16)
    pen.polygon([(150, 330), (96, 420), (128, 428), (190, 350)], fill=(24, 120, 176))  # tail
    pen.ellipse((140, 170, 300, 366), fill=(112, 58, 34))  # belly
    pen.polygon([(140, 230), (150, 350), (220, 330), (210, 200)], fill=(28, 136, 190))  # wing
    pen.ellipse((196, 96, 320, 220), fill=(112, 58, 34))  # head
    pen.ellipse((236, 176, 306, 300), fill=(240, 236, 226))  # breast
    pen.polygon([(306, 142), (424, 168), (310, 184)], fill=(196, 48, 36))  # bill
    pen.ellipse((276, 136, 294, 154), fill=(16, 14, 14))  # eye
    return scene.filter(ImageFilter.GaussianBlur(1))


def picture(browser: Browser, address: str, photo: Path, name: str) -> None:
    """Upload a photo at one size of window and keep what is then shown."""
    width, height = SIZES[name]
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(address)
    give(page, photo)
    page.screenshot(path=DOCS / f"identify-{name}.png")
    page.close()


def main() -> None:
    """Write one PNG a window size beside this file."""
    with tempfile.TemporaryDirectory() as folder, served() as address, chromium() as browser:
        photo = Path(folder) / "kingfisher.png"
        draw_kingfisher().save(photo)
        for name in SIZES:
            picture(browser, address, photo, name)


if __name__ == "__main__":
    main()

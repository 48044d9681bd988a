"""Drawn birds, since photographs belong to their photographers."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

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

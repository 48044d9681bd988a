"""A photo set to try the commands with: drawn birds of four kinds, `--data demo`.

Each picture has its own pose, size, place, colours and background; what a kind always has are the
proportions of its body and its hues. The same seed draws the same pictures.
"""

import colorsys
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from filelock import FileLock
from PIL import Image, ImageDraw, ImageFilter

DEMO = "demo"  # as --data names it; a folder of that name is ./demo
PHOTOS = {"train": 60, "val": 15, "test": 20}  # of each kind
SIDE = 128  # pixels of a picture
CANVAS = 256  # pixels of the canvas that a bird is drawn on, before it is turned and shrunk
SEED = 25
EPOCHS = 24  # that learn it; a set of photos of this size takes more


class Bird(NamedTuple):
    """The features that all birds of a kind share.

    Attributes:
        body, breast, beak: hue, saturation and value, each in [0, 1].
        neck, legs, tail, bill: lengths, in lengths of the body.
        plump: height of the body over its length.
    """

    body: tuple[float, float, float]
    breast: tuple[float, float, float]
    beak: tuple[float, float, float]
    neck: float
    legs: float
    tail: float
    bill: float
    plump: float


BIRDS = {
    "Drawn-Crow": Bird((0.65, 0.2, 0.13), (0.65, 0.1, 0.3), (0, 0, 0.1), 0.1, 0.3, 0.5, 0.3, 0.5),
    "Drawn-Heron": Bird((0.58, 0.2, 0.6), (0, 0, 0.9), (0.12, 0.8, 0.8), 0.6, 0.9, 0.25, 0.5, 0.45),
    "Drawn-Parrot": Bird(
        (0.33, 0.7, 0.6), (0.22, 0.7, 0.8), (0.0, 0.8, 0.7), 0.05, 0.12, 0.9, 0.15, 0.45
    ),
    "Drawn-Robin": Bird(
        (0.08, 0.5, 0.45), (0.04, 0.85, 0.85), (0.1, 0.3, 0.2), 0.0, 0.35, 0.35, 0.12, 0.8
    ),
}


def photo_folder(data: str, output: Path) -> Path:
    """The folder that --data names; `demo` is drawn below `output`, unless it is there already."""
    if data != DEMO:
        return Path(data)
    folder = output / DEMO
    output.mkdir(parents=True, exist_ok=True)
    with FileLock(output / f".{DEMO}.lock"):
        if not folder.exists():
            with tempfile.TemporaryDirectory(prefix=f".{DEMO}-", dir=output) as home:
                draw_set(Path(home) / DEMO)
                (Path(home) / DEMO).replace(folder)
            print(f"Drew {sum(PHOTOS.values()) * len(BIRDS):,} pictures of birds into {folder}.")
    return folder


def draw_set(folder: Path, photos: dict[str, int] = PHOTOS, seed: int = SEED) -> None:
    """Draw a photo set: a folder a split, and in each a folder a kind of bird."""
    rng = np.random.default_rng(seed)
    for split, count in photos.items():
        for name, bird in BIRDS.items():
            home = folder / split / name
            home.mkdir(parents=True)
            for number in range(count):
                draw_photo(bird, rng).save(home / f"{number + 1:03}.jpg", quality=90)


def draw_photo(bird: Bird, rng: np.random.Generator) -> Image.Image:
    """A bird of this kind before some background, SIDE x SIDE pixels."""
    photo = background(rng)
    figure = draw_bird(bird, rng)
    if rng.random() < 0.5:
        figure = figure.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    figure = figure.rotate(rng.uniform(-20, 20), Image.Resampling.BICUBIC)
    side = round(SIDE * rng.uniform(0.65, 1.05))
    figure = figure.resize((side, side), Image.Resampling.BICUBIC)
    room = SIDE - side
    left, top = (round(room / 2 + rng.uniform(-0.1, 0.1) * SIDE) for _ in range(2))
    photo.paste(figure, (left, top), figure)
    light = rng.uniform(0.75, 1.2)
    pixels = np.asarray(photo, np.float32) * light + rng.normal(0, 5, (SIDE, SIDE, 1))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def background(rng: np.random.Generator) -> Image.Image:
    """Sky, leaves or sand: a blur of blotches, and a few branches."""
    hue = rng.choice([0.1, 0.28, 0.35, 0.55, 0.6]) + rng.normal(0, 0.02)
    shades = [colour((hue, rng.uniform(0.1, 0.6), rng.uniform(0.3, 0.95)), rng) for _ in range(36)]
    small = Image.new("RGB", (6, 6))
    small.putdata(shades)
    photo = small.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(photo)
    for _ in range(rng.integers(0, 5)):
        ends = [tuple(rng.uniform(0, SIDE, 2)) for _ in range(2)]
        wood = colour((0.08, 0.4, rng.uniform(0.2, 0.6)), rng)
        pen.line(ends, fill=wood, width=int(rng.integers(1, 7)))
    return photo.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 1.5))))


def draw_bird(bird: Bird, rng: np.random.Generator) -> Image.Image:
    """A bird that looks to the right, on a transparent canvas."""
    canvas = Image.new("RGBA", (CANVAS, CANVAS))
    pen = ImageDraw.Draw(canvas)
    neck, legs, tail, bill, plump = (
        length * rng.uniform(0.85, 1.15)
        for length in (bird.neck, bird.legs, bird.tail, bird.bill, bird.plump)
    )
    unit = CANVAS * 0.4 * min(1, 1.7 / (plump + neck + legs + 0.5))
    x, y = CANVAS * 0.48, CANVAS * (0.5 + 0.12 * (neck - legs))
    body, breast = colour(bird.body, rng), colour(bird.breast, rng)
    beak, dark = colour(bird.beak, rng), colour((0.1, 0.3, 0.25), rng)
    width, height = unit / 2, unit * plump / 2
    for shift in (-0.12, 0.1):
        foot = x + unit * (shift + rng.uniform(-0.1, 0.1)), y + height * 0.8 + unit * legs
        pen.line([(x + unit * shift, y + height * 0.7), foot], fill=dark, width=4)
    droop = rng.uniform(-0.25, 0.25)
    end = x - width - unit * tail * 0.9, y + unit * (tail * droop + 0.1)
    spread = unit * 0.09
    pen.polygon(
        [
            (x - width * 0.6, y - height * 0.3),
            (end[0], end[1] - spread),
            (end[0], end[1] + spread),
            (x - width * 0.6, y + height * 0.4),
        ],
        fill=body,
    )
    pen.ellipse((x - width, y - height, x + width, y + height), fill=body)
    pen.ellipse((x - width * 0.1, y - height * 0.5, x + width * 0.95, y + height * 0.95), breast)
    wing = [(x + width * a, y + height * b) for a, b in wing_outline(rng)]
    pen.polygon(wing, fill=tuple(round(value * 0.8) for value in body))
    angle = rng.uniform(0.35, 1.1)
    head = (
        x + width * 0.75 + unit * neck * math.cos(angle),
        y - height * 0.55 - unit * neck * math.sin(angle),
    )
    pen.line(
        [(x + width * 0.6, y - height * 0.3), head], fill=body, width=max(1, round(unit * 0.18))
    )
    size = unit * 0.19
    nod = rng.uniform(-0.3, 0.3)
    tip = head[0] + size + unit * bill, head[1] + unit * bill * nod
    pen.polygon(
        [
            (head[0] + size * 0.5, head[1] - size * 0.5),
            tip,
            (head[0] + size * 0.5, head[1] + size * 0.5),
        ],
        fill=beak,
    )
    pen.ellipse((head[0] - size, head[1] - size, head[0] + size, head[1] + size), fill=body)
    eye = head[0] + size * 0.35, head[1] - size * 0.25
    pen.ellipse((eye[0] - 4, eye[1] - 4, eye[0] + 4, eye[1] + 4), fill=(250, 250, 240))
    pen.ellipse((eye[0] - 2, eye[1] - 2, eye[0] + 2, eye[1] + 2), fill=(10, 10, 10))
    return canvas


def wing_outline(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    """Corners of a wing, in half lengths and half heights of the body: folded or a little open."""
    lift = rng.uniform(-0.9, 0.3)
    yield 0.35, -0.25
    yield -0.2, 0.35
    yield -1.05, 0.2 + lift
    yield -0.5, -0.45 + lift / 2


def colour(hsv: tuple[float, float, float], rng: np.random.Generator) -> tuple[int, int, int]:
    """A colour near one of hue, saturation and value: red, green and blue in 0..255."""
    hue, saturation, value = (
        part + rng.normal(0, scale) for part, scale in zip(hsv, (0.02, 0.08, 0.06), strict=True)
    )
    rgb = colorsys.hsv_to_rgb(hue % 1, min(max(saturation, 0), 1), min(max(value, 0), 1))
    red, green, blue = (round(255 * part) for part in rgb)
    return red, green, blue

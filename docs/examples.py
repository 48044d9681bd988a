"""Draw the pictures that visitors can try: `python -m docs.examples`.

Figures are drawn until the shipped variants say of one what its name promises; the drawing is
seeded, and what is asked is the file as it is kept. Run it again when the variants change.
"""

import io
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from benchmarks.client.drawing import BARBET, CROW, KINGFISHER, draw_bird
from streamlit_app.inference.classifier import Classifier, checkpoints_folder, variant_folders
from streamlit_app.results.scores import rank_variants
from streamlit_app.species import VERY_LIKELY
from streamlit_app.ui.examples import EXAMPLES, FOLDER, KNOWN

SIDE = 256  # pixels
TRIES = 500
Answers = list[tuple[str, float, bool]]  # of each variant: class, confidence, none of its classes


def drawings(spread: int = 24) -> Iterator[Image.Image]:
    """Figures in colours near those of three birds; spread: in steps of 256, how near."""
    rng = np.random.default_rng(0)
    yield draw_bird(KINGFISHER)
    for colours in itertools.cycle((KINGFISHER, CROW, BARBET)):
        yield draw_bird(
            {
                part: tuple(int(v) for v in np.clip(rng.normal(colour, spread), 0, 255))
                for part, colour in colours.items()
            }
        )


def distant() -> Iterator[Image.Image]:
    """Figures that fill a small part of a wide scene."""
    for count, bird in enumerate(drawings()):
        scene = draw_bird(dict.fromkeys(KINGFISHER, (126, 150, 96))).resize((480, 360))
        scene = scene.filter(ImageFilter.GaussianBlur(24))
        side = (150, 130, 110, 90)[count % 4]
        scene.paste(bird.resize((side, side)), (300 - side // 2, 190 - side // 2))
        yield scene


def scenery() -> Iterator[Image.Image]:
    """A house on a meadow, in varying colours."""
    rng = np.random.default_rng(1)
    while True:
        sky, meadow, wall, roof = (
            tuple(int(v) for v in rng.integers(40, 240, 3)) for _ in range(4)
        )
        scene = Image.new("RGB", (480, 480), sky)
        pen = ImageDraw.Draw(scene)
        pen.rectangle((0, 320, 480, 480), fill=meadow)
        pen.rectangle((130, 210, 350, 400), fill=wall)
        pen.polygon([(100, 210), (240, 90), (380, 210)], fill=roof)
        pen.rectangle((210, 310, 270, 400), fill=roof)
        for left in (155, 290):
            pen.rectangle((left, 240, left + 40, 285), fill=sky)
        yield scene


def is_sure(answers: Answers) -> bool:
    """Whether the best variant is sure of the right bird, and most variants agree."""
    name, confidence, ood = answers[0]
    right = sum(other == KNOWN and not ood for other, _, ood in answers)
    return name == KNOWN and not ood and confidence >= VERY_LIKELY and 2 * right > len(answers)


def is_distant(answers: Answers) -> bool:
    """Whether the best variant does not recognise the bird, as it is too small."""
    name, confidence, ood = answers[0]
    return ood or name != KNOWN or confidence < VERY_LIKELY


def is_none(answers: Answers) -> bool:
    """Whether the best and most other variants see none of their birds."""
    return answers[0][2] and 2 * sum(ood for *_, ood in answers) > len(answers)


def is_doubtful(answers: Answers) -> bool:
    """Whether at least two variants name another bird than the others, be it one or not."""
    counts = sorted(Counter(name for name, *_ in answers).values())
    return counts[-1] <= len(answers) - 2


DRAWN: dict[str, tuple[Callable[[], Iterator[Image.Image]], Callable[[Answers], bool]]] = {
    "bird": (drawings, is_sure),
    "distant": (distant, is_distant),
    "none": (scenery, is_none),
    "doubtful": (partial(drawings, 40), is_doubtful),
}


def encoded(drawing: Image.Image) -> bytes:
    """The drawing as a file of a few kilobytes."""
    file = io.BytesIO()
    drawing.thumbnail((SIDE, SIDE))
    drawing.save(file, "WEBP", quality=55, method=6)
    return file.getvalue()


def ask(variants: list[Classifier], data: bytes) -> Answers:
    """What each variant says of a file, the best one first."""
    photo = Image.open(io.BytesIO(data)).convert("RGB")
    predictions = [variant.classify([photo]) for variant in variants]
    return [(*p.ranking(0)[0], bool(p.is_ood[0])) for p in predictions]


def shipped() -> list[Classifier]:
    """The shipped variants, the best one first."""
    folder = checkpoints_folder()
    paths = rank_variants({path.name: path for path in variant_folders(folder)}, folder)
    return [Classifier(path) for path in paths.values()]


def main() -> None:
    """Write the pictures where the app finds them."""
    variants = shipped()
    FOLDER.mkdir(exist_ok=True)
    for name in EXAMPLES:
        draw, holds = DRAWN[name]
        for drawing in itertools.islice(draw(), TRIES):
            data = encoded(drawing)
            if holds(answers := ask(variants, data)):
                (FOLDER / f"{name}.webp").write_bytes(data)
                print(name, len(data), "bytes", answers)
                break
        else:
            raise SystemExit(f"None of {TRIES} drawings is one for {name}: draw others.")


if __name__ == "__main__":
    main()

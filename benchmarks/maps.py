"""Time of the Grad-CAM maps of every shipped variant for one photo.

    python -m benchmarks.maps

As the pages Compare and Explain compute them: each variant answers a drawn bird with two threads,
and its map of the best species is laid over the photo. Beside it, one variant's. The aim: all
within 100 ms.
"""

import statistics

from PIL import Image

from benchmarks.client.drawing import draw_kingfisher
from benchmarks.timing import report
from plumage.photos import shrunk
from streamlit_app.inference.classifier import Classifier, checkpoints_folder, open_variants
from streamlit_app.ui.heatmaps import overlay
from trainer.utils.timing import interleaved

AIM = 100  # milliseconds
CARD_SIDE = 512  # pixels of the photo as the pages' cards show it
STRENGTH = 0.7


def maps(variants: list[Classifier], photo: Image.Image) -> list[Image.Image]:
    """The photo under each variant's map of the species that it names."""
    small = shrunk(photo, CARD_SIDE)
    answers = [variant.classify([photo]) for variant in variants]
    heatmaps = [answer.heatmap(0, answer.ranking(0)[0][0]) for answer in answers]
    return [overlay(small, heatmap, STRENGTH) for heatmap in heatmaps]


def main() -> None:
    """Time all variants and one, and write benchmarks/results/maps.json."""
    variants = list(open_variants(checkpoints_folder())[0].values())
    photo = draw_kingfisher()
    sides = {f"all {len(variants)} variants": variants, variants[0].name: variants[:1]}
    calls = {name: lambda some=some: maps(some, photo) for name, some in sides.items()}
    seconds = interleaved(calls, repeats=31)
    one = statistics.median(seconds[variants[0].name])
    rows = [
        {
            "maps of": name,
            "median, ms": 1e3 * statistics.median(taken),
            f"times {variants[0].name}'s": statistics.median(taken) / one,
            "aim": AIM,
            "holds": 1e3 * statistics.median(taken) < AIM,
        }
        for name, taken in seconds.items()
    ]
    report("maps", "The heatmaps of one photo in the app", rows)


if __name__ == "__main__":
    main()

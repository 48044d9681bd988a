"""A square cut out of a photo, so that the bird fills it."""

from collections.abc import Sequence

from PIL import Image, ImageDraw

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels, as Pillow has it


def crop_box(size: tuple[int, int], zoom: float, across: float, down: float) -> Box:
    """The square to look at in a photo of that size.

    zoom: by how much the square is smaller than the largest one that fits; 1 is the whole photo.
    across, down: where it lies, from 0 (left, top) to 1 (right, bottom).
    """
    width, height = size
    if zoom <= 1:
        return 0, 0, width, height
    side = max(1, round(min(size) / zoom))
    left, top = round((width - side) * across), round((height - side) * down)
    return left, top, left + side, top + side


def marked(photo: Image.Image, inside: Image.Image, box: Box) -> Image.Image:
    """The whole photo with `inside` laid over the box, dark around it; both RGB."""
    if inside.size == photo.size:
        return inside
    whole = photo.point(lambda value: value * 2 // 5)
    whole.paste(inside, box[:2])
    line = max(2, min(photo.size) // 200)
    left, top, right, bottom = box
    outside = (left - line, top - line, right + line - 1, bottom + line - 1)
    ImageDraw.Draw(whole).rectangle(outside, outline="white", width=line)
    return whole


def outlined(photo: Image.Image, frame: Sequence[float]) -> Image.Image:
    """A copy of the photo with a white line round a part; left, top, right, bottom from 0 to 1."""
    copy = photo.copy()
    width, height = photo.size
    left, top, right, bottom = frame
    box = (left * width, top * height, right * width - 1, bottom * height - 1)
    ImageDraw.Draw(copy).rectangle(box, outline="white", width=max(2, min(photo.size) // 200))
    return copy

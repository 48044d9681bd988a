"""The part of a photo to look at, so that a bird fills it."""

from PIL import Image, ImageDraw

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels, as Pillow has it


def box_from_browser(value: object, size: tuple[int, int]) -> Box | None:
    """A box as a browser tells it; None for the whole photo, and for what is no box in it.

    size: of the photo, in pixels.
    """
    if not isinstance(value, list) or len(value) != 4:
        return None
    if not all(isinstance(number, (int, float)) and abs(number) < 2**31 for number in value):
        return None
    left, top, right, bottom = (int(number) for number in value)
    width, height = size
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        return None
    return None if (right - left, bottom - top) == size else (left, top, right, bottom)


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

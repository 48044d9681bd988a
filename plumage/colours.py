"""Any of Pillow's modes to 8-bit sRGB on white."""

import io
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

# From a file's own samples to 8 bits, by Pillow's name for them: so the one transparent colour of a
# PNG is named, while its pixels are scaled.
SAMPLES = {"L;2": 85.0, "L;4": 17.0, "RGB;16B": 1 / 256}
MAX_PROFILE = 4 * 2**20  # bytes; those of printers have 3 MB
MODES = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}  # by the colour space of a profile
MAX_HEAD = 2**16  # bytes of a file in which its colours are named
SAME = 2  # levels by which a profile that is sRGB may change a colour
SRGB = ImageCms.createProfile("sRGB")
# Linear light of other primaries to that of sRGB, by their number in ITU-T H.273.
TO_SRGB = {
    9: [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    12: [[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]],
}  # BT.2020, Display P3
HDR_CURVES = (16, 18)  # PQ and HLG: their light is no share of white's
STEPS = 4095  # of linear light, fine enough for 8 bits


def eight_bit(photo: Image.Image) -> Image.Image:
    """The photo in mode L, RGB, CMYK, LA or RGBA; of one in L, RGB or CMYK the same object."""
    if photo.mode.startswith(("I", "F")):
        return _scaled(photo)
    if photo.has_transparency_data:
        _scale_transparent(photo)
        return photo if photo.mode in ("LA", "RGBA") else photo.convert("RGBA")
    if photo.mode in ("L", "RGB", "CMYK"):
        return photo
    return photo.convert("L" if photo.mode == "1" else "RGB")


def to_srgb(photo: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert a photo of `eight_bit` to sRGB; a broken profile or one of another mode is ignored.

    profile: ICC, None where the photo is sRGB. Returns: an image in mode RGB, or RGBA.
    """
    alpha = photo.getchannel("A") if photo.mode in ("LA", "RGBA") else None
    mode, transform = _transform(profile) if profile else ("", None)
    if transform:
        colours = photo if alpha is None else photo.convert(photo.mode[:-1])
        if mode == "RGB" and colours.mode == "L":
            colours = colours.convert("RGB")
        if mode == colours.mode:
            photo = transform.apply(colours)
            if alpha is not None:
                photo.putalpha(alpha)
    return (
        photo
        if photo.mode in ("RGB", "RGBA")
        else photo.convert("RGB" if alpha is None else "RGBA")
    )


def from_primaries(photo: Image.Image, primaries: int) -> Image.Image:
    """Convert a photo in RGB or RGBA to sRGB from primaries in TO_SRGB; others are taken for sRGB.

    The curve is taken for that of sRGB, which those of video are close to.
    """
    if primaries not in TO_SRGB:
        return photo
    decoded, encoded = _srgb_curves()
    pixels = np.array(photo)
    light = decoded[pixels[..., :3]] @ np.array(TO_SRGB[primaries], np.float32).T
    pixels[..., :3] = encoded[(light.clip(0, 1) * STEPS + 0.5).astype(np.uint16)]
    return Image.fromarray(pixels)


@lru_cache(maxsize=1)
def _srgb_curves() -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Light by value (256,), and value by light (STEPS + 1,), after IEC 61966-2-1."""
    value = np.linspace(0, 1, 256)
    decoded = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    light = np.linspace(0, 1, STEPS + 1)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return decoded.astype(np.float32), (255 * encoded + 0.5).astype(np.uint8)


def coded_primaries(data: bytes) -> int:
    """The primaries that a PNG's or an AVIF's file names without a profile; 0 for none.

    Source: chunk cICP of PNG (third edition), box colr of HEIF (ISO 23008-12).
    """
    head = data[:MAX_HEAD]
    if head.startswith(b"\x89PNG"):
        start = head.find(b"\0\0\0\4cICP", 0, max(0, head.find(b"IDAT"))) + 8
        primaries, curve = head[start : start + 1], head[start + 1 : start + 2]
    else:
        start = head.find(b"colrnclx") + 8
        primaries, curve = head[start : start + 2], head[start + 2 : start + 4]
    if start < 8 or int.from_bytes(curve, "big") in HDR_CURVES:
        return 0
    return int.from_bytes(primaries, "big")


def on_white(photo: Image.Image) -> Image.Image:
    """An RGB photo as it is, an RGBA photo laid on white."""
    if photo.mode == "RGB":
        return photo
    white = Image.new("RGBA", photo.size, "white")
    return Image.alpha_composite(white, photo).convert("RGB")


def _scaled(photo: Image.Image) -> Image.Image:
    """A photo of integers or floats in mode L, or LA where one value is transparent.

    The largest value tells the range: integers have 8, 16 or 32 bits; floats go to 1, 255 or
    65,535, and a little beyond where a photo was sharpened.
    """
    values = np.asarray(photo)
    if values.dtype == np.int32 and _unsigned(photo):
        values = values.view(np.uint32)
    largest = values.max(initial=0, where=np.isfinite(values))
    if photo.mode == "F":
        full = next((most for most in (1, 255, 65_535) if largest <= 2 * most), largest)
    else:
        full = next(most for most in (255, 65_535, 2**32 - 1) if largest <= most)
    levels = values.astype(np.float32) * np.float32(255 / full) + np.float32(0.5)
    levels = np.nan_to_num(levels, copy=False, nan=0, posinf=255, neginf=0).clip(0, 255)
    scaled = Image.fromarray(levels.astype(np.uint8))
    transparent = photo.info.get("transparency")
    if isinstance(transparent, int):
        scaled.putalpha(Image.fromarray((255 * (values != transparent)).astype(np.uint8)))
    return scaled


def _unsigned(photo: Image.Image) -> bool:
    """Whether a photo is a TIFF of unsigned 32-bit integers, which Pillow takes for signed ones."""
    sample_format = 339
    tags = getattr(photo, "tag_v2", {})
    return bool(tags) and tags.get(sample_format, (1,)) in (1, (1,))


def _scale_transparent(photo: Image.Image) -> None:
    """Bring the one transparent colour of a PNG to 8 bits, as Pillow does with its pixels."""
    colour, samples = photo.info.get("transparency"), getattr(photo, "tile", ())
    factor = next((f for name, f in SAMPLES.items() if name in str(samples)), None)
    if factor and isinstance(colour, int):
        photo.info["transparency"] = int(colour * factor)
    elif factor and isinstance(colour, tuple):
        photo.info["transparency"] = tuple(int(value * factor) for value in colour)


@lru_cache(maxsize=8)
def _transform(profile: bytes) -> tuple[str, ImageCms.ImageCmsTransform | None]:
    """The mode that a profile is for, and how to get from there to sRGB.

    None where nothing is to be done: the profile is sRGB itself, or broken.
    """
    if len(profile) > MAX_PROFILE:
        return "", None
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = MODES[opened.profile.xcolor_space.strip()]
        transform = ImageCms.buildTransform(
            opened,
            SRGB,
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        colours = _sampled(mode)
        naive = np.asarray(colours.convert("RGB")).astype(int)
        converted = np.asarray(transform.apply(colours)).astype(int)
    except Exception:  # whatever is wrong with the profile
        return "", None
    white = converted[naive.min(axis=2) == 255]
    if white.min() < 200 or np.ptp(converted) < 100:  # no profile of a camera, scanner or printer
        return "", None
    return mode, None if np.abs(converted - naive).max() <= SAME else transform


def _sampled(mode: str) -> Image.Image:
    """Colours from all over a mode's space, white and black among them."""
    steps = np.linspace(0, 255, 256 if mode == "L" else 9).astype(np.uint8)
    colours = np.stack(np.meshgrid(*[steps] * len(Image.new(mode, (1, 1)).getbands())), axis=-1)
    return Image.frombytes(mode, (colours[..., 0].size, 1), colours.tobytes())

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from plumage.colours import SRGB
from plumage.photos import read_header, read_photo
from tests.conftest import draw_bird, encode
from tests.plumage import profiles
from tests.streamlit_app.files import SIGNATURE, png_chunk

pillow_heif.register_heif_opener()  # lets the tests write HEIC, which Pillow calls HEIF

# What a camera held that way has to store for the photo to come out upright.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
# All that Pillow writes of what is read. A palette's colours are those that it holds, so those
# photos are compared with themselves.
MODES = {
    "JPEG": "L RGB CMYK",
    "PNG": "1 L LA P RGB RGBA I;16",
    "WEBP": "RGB RGBA",
    "AVIF": "L RGB RGBA",
    "HEIF": "L RGB RGBA",
    "TIFF": "1 L LA P RGB RGBA CMYK YCbCr LAB I;16 I;16B I F",
    "GIF": "L P",
    "BMP": "1 L P RGB",
    "PPM": "1 L RGB I F",
}
WRITTEN = [(format, mode) for format, modes in MODES.items() for mode in modes.split()]
LOSSLESS = {"WEBP": {"lossless": True}, "JPEG": {"quality": 97, "subsampling": 0}}
PROFILES: dict[str, Callable[[], bytes]] = {
    "Display P3": profiles.display_p3,
    "Adobe RGB": profiles.adobe_rgb,
    "ProPhoto": profiles.prophoto,
}


def pixels(photo: Image.Image) -> np.ndarray:
    return np.asarray(photo).astype(int)


def painted() -> Image.Image:
    """A photo of soft colours, without which lossy formats would differ from it."""
    noise = np.random.default_rng(3).integers(40, 216, (4, 6, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((72, 48), Image.Resampling.BICUBIC)


def twins(mode: str) -> tuple[Image.Image, Image.Image]:
    """A photo in that mode, and what it looks like in 8-bit RGB on white."""
    photo = painted()
    if mode in ("I;16", "I;16B"):
        grey = photo.convert("L")
        deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
        if mode == "I;16B":  # to which Pillow's convert() would clip it
            deep = Image.frombytes(mode, deep.size, np.asarray(deep).astype(">u2").tobytes())
        return deep, grey.convert("RGB")
    if mode in ("I", "F"):
        return photo.convert("L").convert(mode), photo.convert("L").convert("RGB")
    if mode in ("LA", "RGBA"):
        plain = photo.convert(mode[:-1])
        clear = plain.convert(mode)
        alpha = Image.new("L", photo.size, 255)
        alpha.paste(0, (0, 0, 24, 48))
        alpha.paste(128, (24, 0, 36, 48))
        clear.putalpha(alpha)
        white = Image.new("RGB", photo.size, "white")
        return clear, Image.composite(plain.convert("RGB"), white, alpha)
    stored = photo.convert(mode)
    return stored, stored.convert("RGB")


def turned(photo: Image.Image, orientation: int) -> Image.Image:
    method = STORED[orientation]
    return photo if method is None else photo.transpose(method)


def tagged(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


@pytest.mark.parametrize(("format", "mode"), WRITTEN)
def test_every_mode_of_every_format_is_read_as_its_8_bit_twin(format: str, mode: str) -> None:
    photo, expected = twins(mode)
    tags = format not in ("GIF", "BMP", "PPM")
    for orientation in STORED if tags else (1,):
        options: dict[str, object] = {"exif": tagged(orientation)} if tags else {}
        options |= LOSSLESS.get(format, {"quality": 97} if tags else {})
        data = encode(turned(photo, orientation), format, **options)
        read = read_photo(data)
        assert read.size == expected.size == read_header(data).size, orientation
        lossy = format in ("JPEG", "AVIF", "HEIF") or mode == "LAB"
        error = np.abs(pixels(read) - pixels(expected))
        assert error.mean() <= (4 if lossy else 0.5), (orientation, error.mean())
        assert np.array_equal(read, read_photo(data, limited=False))


@pytest.mark.parametrize("scale", [1 / 255, 1, 257], ids=["to 1", "to 255", "to 65535"])
def test_floats_are_scaled_by_their_range(scale: float) -> None:
    grey = painted().convert("L")
    photo = Image.fromarray(np.asarray(grey).astype(np.float32) * np.float32(scale))
    for values in (photo, Image.fromarray(np.nan_to_num(np.asarray(photo)))):
        read = read_photo(encode(values, "TIFF"))
        assert np.abs(pixels(read)[..., 0] - pixels(grey)).max() <= 1


def test_a_float_photo_keeps_its_greys_where_sharpening_passed_the_range() -> None:
    values = np.asarray(painted().convert("L")).astype(np.float32) / 255
    values[0, :4] = (1.04, -0.03, np.nan, np.inf)
    read = pixels(read_photo(encode(Image.fromarray(values), "TIFF")))[..., 0]
    assert read[0, :4].tolist() == [255, 0, 0, 255]
    assert np.abs(read[1:] - pixels(painted().convert("L"))[1:]).max() <= 1


@pytest.mark.parametrize("scale", [1, 257, 2**23], ids=["8 bits", "16 bits", "31 bits"])
def test_integers_are_scaled_by_their_range(scale: int) -> None:
    grey = painted().convert("L")
    photo = Image.fromarray(np.asarray(grey).astype(np.int32) * scale)
    read = pixels(read_photo(encode(photo, "TIFF")))[..., 0]
    expected = pixels(grey) if scale < 2**23 else pixels(grey) / 2
    assert np.abs(read - expected).max() <= 1


@pytest.mark.parametrize("unsigned", [True, False])
def test_a_tiff_says_whether_its_32_bits_are_signed(unsigned: bool) -> None:
    values = np.asarray(painted().convert("L")).astype(np.uint32)
    values = values * np.uint32(2**24) if unsigned else values * np.uint32(257)
    signed = values.view(np.int32).copy()
    if not unsigned:
        signed[0, 0] = -5
    entry = struct.pack("<HHI", 339, 3, 1)  # its sample format
    data = encode(Image.fromarray(signed), "TIFF")
    assert entry + b"\2" in data
    data = data.replace(entry + b"\2", entry + (b"\1" if unsigned else b"\2"))
    read = pixels(read_photo(data))[..., 0]
    assert np.abs(read - pixels(painted().convert("L")))[1:].max() <= 1


def deep_png(samples: np.ndarray, colour_type: int, bits: int, *chunks: bytes) -> bytes:
    """A PNG as Pillow does not write it; samples: (height, width, channels)."""
    height, width = samples.shape[:2]
    rows = samples.reshape(height, -1)
    if bits == 16:
        packed = rows.astype(">u2").view(np.uint8)
    else:
        planes = np.unpackbits(rows.astype(np.uint8)[..., None], axis=2)[..., 8 - bits :]
        packed = np.packbits(planes.reshape(height, -1), axis=1)
    lines = b"".join(b"\0" + row.tobytes() for row in packed)
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    data = png_chunk(b"IDAT", zlib.compress(lines))
    return (
        SIGNATURE + png_chunk(b"IHDR", header) + b"".join(chunks) + data + png_chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("colour_type", "mode"), [(0, "L"), (2, "RGB"), (4, "LA"), (6, "RGBA")])
def test_a_png_of_16_bits_is_read_as_its_8_bit_twin(colour_type: int, mode: str) -> None:
    photo, expected = twins(mode)
    samples = np.asarray(photo).reshape(48, 72, -1).astype(np.uint16) * 257
    read = read_photo(deep_png(samples, colour_type, 16))
    assert np.abs(pixels(read) - pixels(expected)).max() <= 1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_the_transparent_colour_of_a_png_is_laid_on_white(bits: int, channels: int) -> None:
    if channels == 3 and bits < 8:
        pytest.skip("a PNG has no such colours")
    # Two values, one of them transparent. Of 16 bits the transparent one is no 8-bit twin's.
    low, high = {1: (0, 1), 2: (1, 3), 4: (5, 15), 8: (90, 255), 16: (23456, 65535)}[bits]
    samples = np.full((40, 40, channels), high)
    samples[:, :20] = low
    key = struct.pack(f">{channels}H", *[low] * channels)
    shown = read_photo(deep_png(samples, 0 if channels == 1 else 2, bits))
    assert pixels(shown)[5, 5].max() < 128
    clear = deep_png(samples, 0 if channels == 1 else 2, bits, png_chunk(b"tRNS", key))
    assert (pixels(read_photo(clear)) == 255).all()
    other = struct.pack(f">{channels}H", *[high] * channels)
    clear = deep_png(samples, 0 if channels == 1 else 2, bits, png_chunk(b"tRNS", other))
    assert np.array_equal(read_photo(clear), shown)


@pytest.mark.parametrize("format", ["PNG", "GIF", "WEBP", "TIFF"])
def test_a_cut_out_is_laid_on_white_whatever_lies_under_it(format: str) -> None:
    photo = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    photo.paste((0, 0, 255, 255), (0, 0, 32, 64))
    read = pixels(read_photo(encode(photo, format, **LOSSLESS.get(format, {}))))
    assert (read[32, 48] == 255).all()
    assert np.abs(read[32, 16] - (0, 0, 255)).max() <= 2


@pytest.mark.parametrize("transparency", [0, bytes([0, 255]), bytes([0, 128])])
def test_a_palette_with_transparent_colours_is_laid_on_white(transparency: int | bytes) -> None:
    photo = Image.new("P", (40, 40), 0)
    photo.putpalette([255, 0, 0, 0, 0, 254])
    photo.paste(1, (0, 0, 20, 40))
    read = pixels(read_photo(encode(photo, "PNG", transparency=transparency)))
    assert (read[5, 35] == 255).all()
    half = isinstance(transparency, bytes) and transparency[1] == 128
    assert np.abs(read[5, 5] - ((127, 127, 254) if half else (0, 0, 254))).max() <= 1


def seen_by(photo: Image.Image, profile: bytes, intent: int = 1) -> Image.Image:
    """The photo in sRGB that an application with colour management shows."""
    return ImageCms.profileToProfile(
        photo, ImageCms.ImageCmsProfile(io.BytesIO(profile)), SRGB, intent, "RGB"
    )


def stored_for(profile: bytes) -> Image.Image:
    """`painted` in the colour space of an RGB profile."""
    return ImageCms.profileToProfile(
        painted(), SRGB, ImageCms.ImageCmsProfile(io.BytesIO(profile)), 1, "RGB"
    )


@pytest.mark.parametrize("space", PROFILES)
@pytest.mark.parametrize("alpha", [False, True], ids=["opaque", "transparent"])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF"])
def test_a_wide_gamut_photo_is_converted_by_its_profile(
    format: str, alpha: bool, space: str
) -> None:
    if alpha and format == "JPEG":
        pytest.skip("a JPEG has no transparency")
    profile = PROFILES[space]()
    wide, expected = stored_for(profile), painted()
    if alpha:
        wide.putalpha(Image.new("L", wide.size, 128))
        white = Image.new("RGB", expected.size, "white")
        expected = Image.blend(white, expected, 128 / 255)
    for orientation in STORED:
        options = {"quality": 97, "icc_profile": profile, "exif": tagged(orientation)}
        data = encode(turned(wide, orientation), format, **(options | LOSSLESS.get(format, {})))
        error = np.abs(pixels(read_photo(data)) - pixels(expected))
        assert error.mean() < (5 if format in ("JPEG", "AVIF", "HEIF") else 1.5)


@pytest.mark.parametrize("intent", [0, 1])
@pytest.mark.parametrize("space", PROFILES)
def test_a_profile_is_applied_as_littlecms_does(space: str, intent: int) -> None:
    profile = PROFILES[space]()
    read = read_photo(encode(painted(), "PNG", icc_profile=profile))
    assert np.abs(pixels(read) - pixels(seen_by(painted(), profile, intent))).max() <= 1


@pytest.mark.parametrize("mode", ["L", "LA", "1", "I;16"])
@pytest.mark.parametrize("curve", [1.0, 2.2])
def test_a_grey_photo_is_converted_by_its_grey_profile(curve: float, mode: str) -> None:
    profile = profiles.grey_profile(curve)
    photo, _ = twins(mode)
    expected = pixels(seen_by(painted().convert("1" if mode == "1" else "L").convert("L"), profile))
    read = pixels(read_photo(encode(photo, "PNG", icc_profile=profile)))
    opaque = slice(36, None)  # of a transparent one, the rest is laid on white
    assert np.abs(read - expected)[:, opaque].max() <= 1


@pytest.mark.parametrize("mode", ["L", "P", "1"])
def test_a_grey_or_palette_photo_is_converted_by_an_rgb_profile(mode: str) -> None:
    profile, photo = profiles.adobe_rgb(), painted().convert(mode)
    read = read_photo(encode(photo, "PNG", icc_profile=profile))
    assert np.abs(pixels(read) - pixels(seen_by(photo.convert("RGB"), profile))).max() <= 1


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_a_cmyk_photo_is_converted_by_its_profile(format: str) -> None:
    profile, photo = profiles.cmyk_profile(), Image.new("CMYK", (40, 40), (0, 0, 0, 255))
    data = encode(photo, format, icc_profile=profile, **LOSSLESS.get(format, {}))
    assert np.abs(pixels(read_photo(data)) - pixels(seen_by(photo, profile, 0))).max() <= 3
    assert pixels(read_photo(data)).min() > 200  # black ink that hardly prints
    assert pixels(read_photo(encode(photo, format))).max() < 10


@pytest.mark.parametrize("size", [(1500, 1301), (3000, 1500)])
def test_a_long_photo_is_converted_by_its_profile(size: tuple[int, int]) -> None:
    profile = profiles.prophoto()
    data = encode(draw_bird(size=size), quality=97, subsampling=0, icc_profile=profile)
    read = read_photo(data)
    shown = seen_by(draw_bird(size=size).resize(read.size, Image.Resampling.BICUBIC), profile)
    assert np.abs(pixels(read) - pixels(shown)).mean() < 2


@pytest.mark.parametrize(
    "profile",
    [ImageCms.ImageCmsProfile(SRGB).tobytes(), profiles.srgb_of_another_maker()],
    ids=["LittleCMS", "another maker"],
)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_photo_whose_profile_is_srgb_is_read_to_the_pixel(format: str, profile: bytes) -> None:
    plain, labelled = (
        read_photo(encode(painted(), format, icc_profile=icc)) for icc in (None, profile)
    )
    assert np.array_equal(plain, labelled)


def broken_profiles() -> dict[str, bytes]:
    good = profiles.display_p3()
    return {
        "text": b"no profile",
        "one byte": b"\0",
        "zeros": bytes(3000),
        "noise": np.random.default_rng(0).bytes(3000),
        "cut short": good[: len(good) // 2],
        "header only": good[:128],
        "no light": _without_light(good),
        "another space": good.replace(b"RGB ", b"CMYK", 1),
        "of no device": good.replace(b"mntr", b"nmcl", 1),
        "too large": good + bytes(5 * 2**20),
    }


def _without_light(profile: bytes) -> bytes:
    """A profile whose primaries are all black."""
    at = profile.index(b"XYZ \0\0\0\0", 128)
    while at >= 0:
        profile = profile[: at + 8] + bytes(12) + profile[at + 20 :]
        at = profile.find(b"XYZ \0\0\0\0", at + 20)
    return profile


@pytest.mark.parametrize("fault", [
    "text", "one byte", "zeros", "noise", "cut short", "header only", "no light", "another space",
    "too large",
])  # fmt: skip
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF"])
def test_a_broken_profile_is_ignored(format: str, fault: str) -> None:
    profile = broken_profiles()[fault]
    if format == "JPEG" and len(profile) > 2**22:
        pytest.skip("a JPEG takes no profile that large quickly")
    plain, labelled = (
        read_photo(encode(painted(), format, icc_profile=icc)) for icc in (None, profile)
    )
    assert np.abs(pixels(plain) - pixels(labelled)).max() <= 1


@pytest.mark.parametrize("chunk", [
    b"", b"\0", b"name\0", b"name\0\1" + zlib.compress(bytes(200)), b"name\0\0no data",
    b"name\0\0" + zlib.compress(bytes(2**25)), b"name\0\0" + zlib.compress(bytes(200))[:-6],
])  # fmt: skip
def test_a_broken_profile_chunk_of_a_png_is_ignored(chunk: bytes) -> None:
    whole = encode(
        painted().convert("L"), "PNG", transparency=painted().convert("L").getpixel((0, 0))
    )
    at = whole.index(b"IHDR") + 13 + 8
    labelled = whole[:at] + png_chunk(b"iCCP", chunk) + whole[at:]
    assert np.array_equal(read_photo(whole), read_photo(labelled))
    assert (pixels(read_photo(labelled))[0, 0] == 255).all()


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_profile_of_another_mode_is_ignored(mode: str) -> None:
    others = {"RGB": profiles.adobe_rgb(), "CMYK": profiles.cmyk_profile()}
    others["L"] = profiles.grey_profile(1.0)
    photo = painted().convert(mode)
    for space, profile in others.items():
        applies = space == mode or (space, mode) == ("RGB", "L")
        plain, labelled = (
            pixels(read_photo(encode(photo, "TIFF", icc_profile=icc))) for icc in (None, profile)
        )
        assert np.array_equal(plain, labelled) != applies, space


def with_codes(format: str, primaries: int, curve: int, **options: object) -> bytes:
    """A photo that names its primaries by number (ITU-T H.273) and has no profile unless given."""
    photo = painted()
    if format == "HEIF":
        codes = {"color_primaries": primaries, "transfer_characteristics": curve}
        codes |= {"matrix_coefficients": 6, "full_range_flag": 1}
        return encode(photo, format, quality=100, chroma=444, **codes, **options)
    if format == "AVIF":
        data = encode(photo, format, quality=100, subsampling="4:4:4", **options)
        start = data.index(b"colrnclx") + 8
        return data[:start] + struct.pack(">HH", primaries, curve) + data[start + 4 :]
    data = encode(photo, format, **options)
    start = data.index(b"IDAT") - 4
    return data[:start] + png_chunk(b"cICP", bytes([primaries, curve, 0, 1])) + data[start:]


@pytest.mark.parametrize("format", ["PNG", "AVIF", "HEIF"])
@pytest.mark.parametrize(
    ("primaries", "profile"),
    [
        (12, profiles.display_p3()),
        (9, profiles.rgb_profile([(0.708, 0.292), (0.17, 0.797), (0.131, 0.046)],
                                 profiles.D65, profiles.srgb_curve)),
    ],
    ids=["Display P3", "BT.2020"],
)  # fmt: skip
def test_a_wide_gamut_photo_without_a_profile_is_converted_by_the_primaries_it_names(
    format: str, primaries: int, profile: bytes
) -> None:
    expected = pixels(read_photo(encode(painted(), "PNG", icc_profile=profile)))
    change = np.abs(pixels(painted()) - expected).mean()
    read = pixels(read_photo(with_codes(format, primaries, 13)))
    assert np.abs(read - expected).mean() < min(2, change / 3)


@pytest.mark.parametrize("format", ["PNG", "AVIF", "HEIF"])
@pytest.mark.parametrize(("primaries", "curve"), [(1, 13), (2, 2), (9, 16), (9, 18), (250, 13)])
def test_other_primaries_and_hdr_curves_are_taken_for_srgb(
    format: str, primaries: int, curve: int
) -> None:
    expected = pixels(read_photo(with_codes(format, 1, 13)))
    assert np.array_equal(pixels(read_photo(with_codes(format, primaries, curve))), expected)


@pytest.mark.parametrize("chunk", [b"", b"\x0c", b"\x0c\x0d\0\1 and more"])
def test_a_broken_chunk_of_primaries_is_ignored(chunk: bytes) -> None:
    data = encode(painted(), "PNG")
    start = data.index(b"IDAT") - 4
    data = data[:start] + png_chunk(b"cICP", chunk) + data[start:]
    assert np.array_equal(pixels(read_photo(data)), pixels(painted()))


def test_a_profile_is_believed_before_primaries() -> None:
    profile = profiles.srgb_of_another_maker()
    data = with_codes("PNG", 12, 13, icc_profile=profile)
    assert np.array_equal(pixels(read_photo(data)), pixels(painted()))

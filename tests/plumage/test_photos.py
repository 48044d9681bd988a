import io
import struct

import numpy as np
import pillow_heif
import pytest
from PIL import Image, features

from plumage.photos import MAX_SIDE, PhotoError, read_header, read_photo
from tests.conftest import draw_bird, encode
from tests.streamlit_app.files import png, seeds

pillow_heif.register_heif_opener()  # lets the tests write HEIC, which Pillow calls HEIF


def pixels(photo: Image.Image) -> np.ndarray:
    return np.asarray(photo).astype(int)


def difference(photo: Image.Image, other: Image.Image) -> int:
    return int(np.abs(pixels(photo) - pixels(other)).max())


def refusal(data: bytes) -> str:
    with pytest.raises(PhotoError) as caught:
        read_photo(data)
    return str(caught.value)


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_a_lossless_photo_is_read_to_the_pixel(format: str) -> None:
    bird = draw_bird()
    photo = read_photo(encode(bird, format, lossless=True))
    assert photo.mode == "RGB"
    assert difference(photo, bird) == 0


def test_a_jpeg_is_read_as_pillow_reads_it() -> None:
    data = encode(draw_bird(), "JPEG")
    assert difference(read_photo(data), Image.open(io.BytesIO(data))) == 0


def test_transparency_is_laid_on_white() -> None:
    photo = Image.new("RGBA", (40, 40), (255, 0, 0, 0))
    photo.paste((0, 0, 255, 255), (0, 0, 20, 40))
    read = read_photo(encode(photo, "PNG"))
    assert read.getpixel((5, 5)) == (0, 0, 255)
    assert read.getpixel((35, 5)) == (255, 255, 255)


def test_a_transparent_palette_colour_is_laid_on_white() -> None:
    photo = Image.new("P", (40, 40), 0)
    photo.putpalette([255, 0, 0, 0, 0, 255])
    photo.paste(1, (0, 0, 20, 40))
    read = read_photo(encode(photo, "PNG", transparency=0))
    assert read.getpixel((5, 5)) == (0, 0, 255)
    assert read.getpixel((35, 5)) == (255, 255, 255)


def test_the_first_frame_of_an_animation_is_the_photo() -> None:
    if not features.check("webp"):
        pytest.skip("this Pillow reads no WebP")
    options = {"save_all": True, "append_images": [draw_bird("blue")], "lossless": True}
    read = read_photo(encode(draw_bird("red"), "WEBP", **options))
    assert difference(read, draw_bird("red")) == 0


def test_a_phones_two_photos_in_one_jpeg_are_read_as_the_first() -> None:
    data = encode(draw_bird("red"), "MPO", save_all=True, append_images=[draw_bird("blue")])
    assert pixels(read_photo(data))[32, 30, 0] > 200


@pytest.mark.parametrize("format", ["JPEG", "PNG", "HEIF", "AVIF"])
def test_a_long_photo_is_shrunk_and_keeps_its_shape(format: str) -> None:
    read = read_photo(encode(draw_bird(size=(3000, 1500)), format))
    assert read.size == (MAX_SIDE, MAX_SIDE // 2)


def test_a_phones_50_megapixel_jpeg_is_read() -> None:
    read = read_photo(encode(Image.new("L", (8160, 6120), 90), "JPEG"))
    assert max(read.size) == MAX_SIDE


@pytest.mark.parametrize("format", ["HEIF", "AVIF"])
def test_a_heic_or_avif_keeps_its_colours_and_places(format: str) -> None:
    bird = draw_bird(size=(1500, 1301))  # no multiple of a band
    photo = read_photo(encode(bird, format, quality=90))
    expected = bird.resize(photo.size, Image.Resampling.BICUBIC)
    assert np.abs(pixels(photo) - pixels(expected)).mean() < 2


def test_a_transparent_heic_is_laid_on_white() -> None:
    photo = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    photo.paste((0, 0, 255, 255), (0, 0, 32, 64))
    read = pixels(read_photo(encode(photo, "HEIF", quality=-1)))
    assert np.abs(read[32, 8] - (0, 0, 255)).max() < 10
    assert np.abs(read[32, 56] - 255).max() < 10


def test_a_grey_heic_becomes_rgb() -> None:
    read = read_photo(encode(draw_bird().convert("L"), "HEIF"))
    assert (read.mode, read.size) == ("RGB", draw_bird().size)


def test_an_empty_file_is_refused_with_advice() -> None:
    assert "choose another" in refusal(b"")


def test_a_file_that_is_no_photo_is_refused_with_the_formats_that_are_read() -> None:
    assert "not a photo that can be read" in refusal(b"%PDF-1.7 and so on" * 100)


def test_a_truncated_jpeg_is_refused_with_advice() -> None:
    data = encode(draw_bird(size=(300, 200)))
    assert "download it again" in refusal(data[: len(data) - len(data) // 8])


def test_a_jpeg_cut_off_in_its_header_is_called_damaged() -> None:
    assert "damaged" in refusal(encode(draw_bird())[:300])


@pytest.mark.parametrize("format", ["PNG", "WEBP", "HEIF", "AVIF"])
def test_other_truncated_photos_are_refused_too(format: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    data = encode(Image.fromarray(noise), format)
    assert refusal(data[: len(data) // 2])


@pytest.mark.parametrize("size", [(1, 1), (400, 1), (31, 400)])
def test_a_photo_too_small_or_too_narrow_is_refused_with_its_size(size: tuple[int, int]) -> None:
    message = refusal(encode(Image.new("RGB", size), "PNG"))
    assert f"{size[0]} x {size[1]}" in message
    assert "at least" in message


@pytest.mark.parametrize("side", [5_000, 12_000, 50_000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(side: int) -> None:
    assert "too many pixels" in refusal(png((side, side), b"0"))


@pytest.mark.parametrize("format", ["HEIF", "AVIF"])
def test_a_heic_or_avif_with_too_many_pixels_is_refused_before_it_is_decoded(
    format: str,
) -> None:
    data = encode(Image.new("RGB", (64, 64)), format)
    claimed = data.replace(struct.pack(">II", 64, 64), struct.pack(">II", 12_000, 12_000))
    assert claimed != data
    assert "too many pixels" in refusal(claimed)


def test_a_heic_that_holds_more_pixels_than_it_claims_is_refused() -> None:
    data = encode(Image.new("RGB", (2048, 2048)), "HEIF", quality=20)
    claimed = data.replace(struct.pack(">II", 2048, 2048), struct.pack(">II", 64, 64))
    assert claimed != data
    assert "damaged" in refusal(claimed)


@pytest.mark.parametrize("format", ["GIF", "TIFF", "BMP", "PPM"])
def test_other_picture_formats_are_read_too(format: str) -> None:
    data = encode(draw_bird(), format)
    assert difference(read_photo(data), draw_bird()) == 0
    assert read_header(data).size == draw_bird().size


@pytest.mark.parametrize("raw", [False, True])
def test_a_jpeg_2000_is_read_as_any_photo(raw: bool) -> None:
    bird = draw_bird(size=(1500, 1301))
    data = encode(bird, "JPEG2000", no_jp2=raw)
    assert difference(read_photo(data, max_side=None), bird) == 0
    assert read_header(data)[:2] == ("JPEG2000", bird.size)
    clear = bird.convert("RGBA")
    clear.putalpha(0)
    assert pixels(read_photo(encode(clear, "JPEG2000", no_jp2=raw))).min() == 255
    assert refusal(data[: len(data) // 2])


def test_a_photo_keeps_nothing_of_its_file() -> None:
    for word, data in seeds():
        if word not in ("svg", "html", "zip"):
            photo = read_photo(data)
            assert type(photo) is Image.Image, word
            assert set(photo.info) == {"taken"}, word


@pytest.mark.parametrize("brand", [b"avif", b"mif1"])
def test_an_avif_is_read_by_either_of_its_brands(brand: bytes) -> None:
    data = encode(draw_bird(), "AVIF", quality=95)
    branded = data.replace(b"ftypavif", b"ftyp" + brand)
    assert branded[8:12] == brand
    assert difference(read_photo(branded), read_photo(data)) == 0


def test_a_moving_avif_is_read_as_its_first_frame() -> None:
    options = {"save_all": True, "append_images": [draw_bird("blue")], "quality": 95}
    data = encode(draw_bird("red"), "AVIF", **options)
    assert data[8:12] == b"avis"
    assert np.abs(pixels(read_photo(data)) - pixels(draw_bird("red"))).mean() < 3


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1", b"heif"])
def test_a_heic_is_read_by_any_of_its_brands(brand: bytes) -> None:
    data = encode(draw_bird(), "HEIF", quality=95)
    branded = data[:8] + brand + data[12:]
    assert difference(read_photo(branded), read_photo(data)) == 0


@pytest.mark.parametrize("format", ["PNG", "TIFF", "GIF"])
def test_the_first_of_several_pictures_is_the_photo(format: str) -> None:
    options = {"save_all": True, "append_images": [draw_bird("blue")]}
    read = read_photo(encode(draw_bird("red"), format, **options))
    assert difference(read, draw_bird("red")) == 0


@pytest.mark.parametrize("limited", [True, False])
def test_limits_do_not_change_pixels(limited: bool) -> None:
    for size in ((96, 64), (1500, 1301), (3000, 1500)):
        data = encode(draw_bird(size=size))
        assert difference(read_photo(data, limited=limited), read_photo(data)) == 0


def test_without_limits_small_narrow_and_large_photos_are_read() -> None:
    for size in ((8, 8), (2000, 10), (3000, 2500)):
        photo = read_photo(encode(draw_bird(size=size), "PNG"), limited=False)
        assert max(photo.size) <= MAX_SIDE
    whole = read_photo(encode(draw_bird(size=(3000, 10)), "JPEG"), limited=False, max_side=None)
    assert whole.size == (3000, 10)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF", "TIFF"])
def test_without_a_longest_side_no_pixel_is_lost(format: str) -> None:
    photo = read_photo(encode(draw_bird(size=(1500, 1301)), format), max_side=None)
    assert photo.size == (1500, 1301)


def test_a_header_names_the_format_and_a_jpegs_tables() -> None:
    low, high = (read_header(encode(draw_bird(), quality=quality)) for quality in (30, 90))
    assert low.format == "JPEG"
    assert sum(low.tables) > sum(high.tables) > 0
    for format in ("PNG", "WEBP", "HEIF", "AVIF", "TIFF"):
        assert read_header(encode(draw_bird(), format)) == (format, draw_bird().size, ())


def test_a_header_of_no_photo_is_refused() -> None:
    for data in (b"", b"%PDF-1.7"):
        with pytest.raises(PhotoError):
            read_header(data)

import io
import os
import signal
import struct
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import numpy as np
import pillow_heif
import pytest
from PIL import Image, features

from streamlit_app.inference import photos
from streamlit_app.inference.photos import (
    LARGEST_SIDE,
    MOST_BYTES,
    Decoder,
    PhotoError,
    read_photo,
)
from tests.conftest import draw_bird, encode
from tests.streamlit_app.files import FRAGILE_DECODER, only, png

pillow_heif.register_heif_opener()  # lets the tests write HEIC, which Pillow calls HEIF

ORIENTATION = 0x0112
# What a camera held that way has to store for the photo to come out upright.
STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


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


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF"])
@pytest.mark.parametrize("orientation", STORED)
def test_a_photo_is_turned_upright_by_its_exif_tag(orientation: int, format: str) -> None:
    bird = draw_bird()
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    options = {"lossless": True} if format == "WEBP" else {"quality": 95}
    turned = bird.transpose(STORED[orientation])
    photo = read_photo(encode(turned, format, exif=exif.tobytes(), **options))
    assert photo.size == bird.size
    assert np.abs(pixels(photo) - pixels(bird)).mean() < 2


def test_a_transparent_photo_is_turned_upright_too() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    turned = draw_bird().convert("RGBA").transpose(STORED[6])
    assert difference(read_photo(encode(turned, "PNG", exif=exif)), draw_bird()) == 0


def test_a_garbled_exif_tag_does_not_keep_a_photo_from_being_read() -> None:
    data = encode(
        draw_bird(), "JPEG", exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\xff\xff\x01\x12\x00"
    )
    assert read_photo(data).size == draw_bird().size


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


def test_a_16_bit_photo_keeps_its_greys() -> None:
    ramp = np.tile(np.linspace(0, 65535, 64), (64, 1)).astype(np.uint16)
    read = pixels(read_photo(encode(Image.fromarray(ramp), "PNG")))
    assert np.abs(read[..., 0] - ramp / 257).max() <= 1


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "CMYK"])
def test_every_colour_mode_becomes_rgb(mode: str) -> None:
    bird = draw_bird()
    photo = bird.convert("L").convert(mode) if mode == "LA" else bird.convert(mode)
    read = read_photo(encode(photo, "JPEG" if mode == "CMYK" else "PNG"))
    assert (read.mode, read.size) == ("RGB", bird.size)


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
    assert read.size == (LARGEST_SIDE, LARGEST_SIDE // 2)


def test_a_phones_50_megapixel_jpeg_is_read() -> None:
    read = read_photo(encode(Image.new("L", (8160, 6120), 90), "JPEG"))
    assert max(read.size) == LARGEST_SIDE


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
    assert "JPEG, PNG, WebP, HEIC or AVIF" in refusal(b"%PDF-1.7 and so on" * 100)


@pytest.mark.parametrize("format", ["GIF", "TIFF", "BMP"])
def test_other_picture_formats_are_refused_with_the_formats_that_are_read(format: str) -> None:
    assert "JPEG, PNG, WebP, HEIC or AVIF" in refusal(encode(draw_bird(), format))


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


@pytest.fixture
def decoder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Decoder]:
    """The only process that decodes, which files of fragile_decoding.py can break."""
    yield from only(monkeypatch, photos, Decoder, FRAGILE_DECODER)


@pytest.mark.parametrize(("word", "advice"), [
    (b"crash", "cannot be opened"),
    (b"spin", "too long"),
    (b"sleep", "too long"),
    (b"greedy", "too many pixels"),
])  # fmt: skip
@pytest.mark.skipif(os.name != "posix", reason="not all of these limits are there on Windows")
def test_a_file_that_breaks_the_decoder_gets_a_sentence_and_the_next_a_photo(
    word: bytes, advice: str, decoder: Decoder
) -> None:
    good = encode(draw_bird())
    assert read_photo(good).size == draw_bird().size
    before = decoder.start().pid
    assert advice in refusal(word)
    assert read_photo(good).size == draw_bird().size
    assert (decoder.start().pid == before) == (word == b"greedy")


@pytest.mark.skipif(os.name != "posix", reason="processes are killed by signals")
@pytest.mark.parametrize(("ended", "advice"), [
    ("SIGSEGV", "cannot be opened"),
    ("SIGKILL", "ran short of memory"),
])  # fmt: skip
def test_a_process_that_is_killed_while_it_decodes_or_waits_is_replaced(
    ended: str, advice: str, decoder: Decoder
) -> None:
    good = encode(draw_bird())
    read_photo(good)
    with ThreadPoolExecutor(1) as pool:
        refused = pool.submit(refusal, b"sleep")
        time.sleep(0.2)
        os.kill(decoder.start().pid, getattr(signal, ended))
        assert advice in refused.result()
    assert read_photo(good).size == draw_bird().size
    waiting = decoder.start()
    waiting.kill()
    waiting.wait()
    assert read_photo(good).size == draw_bird().size  # no fault of this photo


def test_after_an_interrupted_request_no_file_gets_another_ones_photo(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def interrupt(stream: object) -> NoReturn:
            raise KeyboardInterrupt

        patch.setattr(photos, "_response", interrupt)
        with pytest.raises(KeyboardInterrupt):
            read_photo(encode(draw_bird(size=(40, 40))))
    assert read_photo(encode(draw_bird(size=(60, 50)))).size == (60, 50)


def test_photos_of_many_threads_are_not_mixed_up() -> None:
    sizes = [(40 + number, 90 - number) for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda size: read_photo(encode(draw_bird(size=size))).size, sizes)
        assert list(found) == sizes


def test_a_file_too_large_for_a_page_is_refused_before_it_is_decoded(decoder: Decoder) -> None:
    assert "more than 50 MB" in refusal(bytes(MOST_BYTES + 1))


def test_where_decoding_does_not_start_no_photo_is_blamed(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Decoder, "command", [sys.executable, "-c", ""])
    with pytest.raises(OSError, match="does not start"):
        read_photo(encode(draw_bird()))

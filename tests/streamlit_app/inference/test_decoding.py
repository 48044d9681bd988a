import os
import re
import struct
from pathlib import Path

import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from plumage.photos import MAX_SIDE, MIN_SIDE, PhotoError, read_photo
from streamlit_app.inference import pool, worker
from streamlit_app.inference.pool import decode_photo
from tests.conftest import draw_bird, encode
from tests.streamlit_app.files import (
    exif_of_greedy_tags,
    jpeg_of_many_scans,
    png,
    png_chunk,
    png_mended,
    seeds,
)

pillow_heif.register_heif_opener()  # lets the tests write HEIC, which Pillow calls HEIF
SEEDS = dict(seeds())
MAX_RESIDENT = worker.MAX_MEMORY + 40 * 2**20  # with the code of its libraries


def outcome(data: bytes) -> Image.Image | str:
    """What a page would show; anything but a photo or a sentence fails the test."""
    try:
        photo = decode_photo(data)
    except PhotoError as error:
        words = str(error)
        assert words.endswith(".")
        assert "\n" not in words
        return words
    assert photo.mode == "RGB"
    assert 1 <= min(photo.size) <= max(photo.size) <= MAX_SIDE
    return photo


def peak() -> int:
    """Bytes that the decoding process has held at most."""
    with pool.decoders.worker() as decoder:
        process = decoder.start()
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        pytest.skip("memory is read from /proc")
    return 1024 * int(re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())[0])


def test_a_phones_24_megapixel_heic_is_read_with_5_bytes_a_pixel() -> None:
    data = encode(Image.new("RGB", (5712, 4284), (90, 120, 90)), "HEIF", quality=30)
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("memory is read from /proc")
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    before = int(re.findall(r"VmRSS:\s+(\d+) kB", status.read_text())[0])
    assert max(read_photo(data).size) == MAX_SIDE
    peak = int(re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())[0])
    assert (peak - before) * 1000 < 6 * 5712 * 4284


def test_of_a_long_and_narrow_photo_no_side_is_lost() -> None:
    for size in ((40, 60_000), (60_000, 40), (32, 1025)):
        for format in ("JPEG", "PNG"):
            assert "too narrow" in str(outcome(encode(Image.new("RGB", size), format)))
    photo = outcome(encode(Image.new("RGB", (MIN_SIDE * 2, MAX_SIDE * 2))))
    assert isinstance(photo, Image.Image)
    assert photo.size == (MIN_SIDE, MAX_SIDE)


def test_a_progressive_jpeg_that_would_be_held_whole_is_refused_by_its_header() -> None:
    data = encode(draw_bird(size=(64, 64)), progressive=True)
    frame = data.index(b"\xff\xc2")
    for side, large in ((6000, False), (7000, True)):
        claimed = data[: frame + 5] + struct.pack(">HH", side, side) + data[frame + 9 :]
        assert ("too many pixels" in str(outcome(claimed))) == large


@pytest.mark.skipif(os.name != "posix", reason="processor time is limited on POSIX")
def test_a_jpeg_that_would_be_decoded_for_half_a_minute_is_given_up() -> None:
    assert "too long" in str(outcome(jpeg_of_many_scans(30_000)))
    assert isinstance(outcome(SEEDS["jpeg"]), Image.Image)


def test_a_file_that_wants_more_memory_than_a_photo_may_is_bounded() -> None:
    for data in (
        encode(draw_bird(), exif=exif_of_greedy_tags(2_000, 40_000)),
        png((64, 64), b"", png_chunk(b"eXIf", exif_of_greedy_tags(20_000, 4_000_000)[6:])),
    ):
        outcome(data)
        assert peak() < MAX_RESIDENT
    assert isinstance(outcome(SEEDS["jpeg"]), Image.Image)


def test_a_wrong_extension_or_kind_is_told_by_the_bytes() -> None:
    for word in ("svg", "html", "zip"):
        assert "not a photo" in str(outcome(SEEDS[word]))
    for word in ("jpeg", "png", "webp", "heif", "avif", "tiff", "gif"):
        photo = outcome(SEEDS[word] + SEEDS["zip"] + SEEDS["html"])  # a polyglot is its first part
        assert isinstance(photo, Image.Image)
        assert "not a photo" in str(outcome(SEEDS["html"] + SEEDS[word]))


NUMBERS = (0, 1, 31, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A real file after some of what networks, disks and ill will do to one."""
    kind = draw(st.sampled_from(sorted(SEEDS)))
    data = SEEDS[kind]
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        # Headers are short and decide most.
        at = draw(st.sampled_from((at, at % 64, at % 640)))
        count = draw(st.sampled_from((1, 2, 4, 8, 100, 10_000)))
        match draw(st.sampled_from("overwrite number insert remove repeat cut splice".split())):
            case "overwrite":
                noise = draw(st.binary(min_size=1, max_size=12))
                data = data[:at] + noise + data[at + len(noise) :]
            case "number":
                order = draw(st.sampled_from(("big", "little")))
                number = draw(st.sampled_from(NUMBERS)).to_bytes(4, order)
                number = number[-2:] if draw(st.booleans()) else number
                data = data[:at] + number + data[at + len(number) :]
            case "insert":
                data = data[:at] + draw(st.binary(min_size=1, max_size=12)) + data[at:]
            case "remove":
                data = data[:at] + data[at + count :]
            case "repeat":
                data = data[:at] + data[at : at + count] * draw(st.integers(2, 20)) + data[at:]
            case "cut":
                data = data[:at]
            case "splice":
                data = data[:at] + SEEDS[draw(st.sampled_from(sorted(SEEDS)))][at:]
    return png_mended(data) if draw(st.booleans()) else data


@settings(max_examples=max(500, settings().max_examples), deadline=None)
@given(damaged())
def test_a_damaged_file_is_a_photo_or_one_sentence(data: bytes) -> None:
    outcome(data)
    assert peak() < MAX_RESIDENT

"""Files as nobody's camera makes them, for the tests of what reads them."""

import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from streamlit_app.inference import pool
from streamlit_app.inference.pool import Worker, WorkerPool
from tests.conftest import draw_bird, encode
from tests.plumage.profiles import adobe_rgb, cmyk_profile, display_p3

# Starts a worker that some files break.
FRAGILE = (sys.executable, "-m", "tests.streamlit_app.fragile_worker")
RAW = Path(__file__).parents[3] / "shared" / "birds25_raw_sample"
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def only_worker(monkeypatch: pytest.MonkeyPatch, name: str) -> Iterator[Worker]:
    """The only worker of the pool of that name, which files of fragile_worker.py can break."""
    monkeypatch.setattr(Worker, "command", FRAGILE)
    monkeypatch.setattr(pool, name, workers := WorkerPool(count=1))
    with workers.worker() as worker:
        pass
    yield worker
    worker.start().kill()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(size: tuple[int, int], rows: bytes, *chunks: bytes) -> bytes:
    """A PNG of 8-bit RGB that claims a size and holds the rows; chunks: between both."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0))
    pixels = png_chunk(b"IDAT", zlib.compress(rows))
    return SIGNATURE + header + b"".join(chunks) + pixels + png_chunk(b"IEND", b"")


def png_mended(data: bytes) -> bytes:
    """A damaged PNG with the checksums that its chunks should have, so that it is read further."""
    mended, at = data[:8], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if at + 12 + length > len(data):
            break
        mended += png_chunk(data[at + 4 : at + 8], data[at + 8 : at + 8 + length])
        at += 12 + length
    return mended + data[at:]


def jpeg_of_many_scans(count: int) -> bytes:
    """A progressive JPEG of 4 megapixels that repeats a scan, which is about 1 ms of work."""
    noise = np.random.default_rng(0).integers(0, 256, (250, 250, 3), np.uint8)
    photo = Image.fromarray(noise).filter(ImageFilter.GaussianBlur(1)).resize((2000, 2000))
    data = encode(photo, progressive=True, quality=5)
    starts = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    scan = data[starts[-1] : -2]
    return data[:-2] + count * scan + data[-2:]


def exif_of_greedy_tags(count: int, size: int) -> bytes:
    """EXIF whose tags all claim the same bytes: read one by one they are count * size."""
    entries = b"".join(struct.pack(">HHII", 0x9000 + tag, 7, size, 8) for tag in range(count))
    table = struct.pack(">H", count) + entries + bytes(4)
    return b"Exif\0\0MM\0*" + struct.pack(">I", 8 + size) + bytes(size) + table


def seeds() -> Iterator[tuple[str, bytes]]:
    """Whole files of every format that is read, and of some that are not, by a word for each."""
    bird = draw_bird(size=(72, 48))
    detail = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769)[0x9003] = "2024:05:06 07:08:09"
    clear = bird.convert("RGBA")
    clear.putalpha(128)
    yield "jpeg", encode(detail, exif=exif)
    yield "progressive", encode(detail, progressive=True)
    yield "cmyk", encode(bird.convert("CMYK"))
    yield "grey", encode(bird.convert("L"), subsampling=0)
    yield "long", encode(draw_bird(size=(1400, 700)), quality=30)
    yield "mpo", encode(bird, "MPO", save_all=True, append_images=[detail])
    yield "png", encode(detail, "PNG", exif=exif)
    yield "palette", encode(bird.convert("P"), "PNG", transparency=0)
    yield "bits", encode(bird.convert("1"), "PNG")
    yield "deep", encode(bird.convert("L").convert("I;16"), "PNG")
    yield "clear", encode(clear, "PNG")
    yield "apng", encode(bird, "PNG", save_all=True, append_images=[detail.resize(bird.size)])
    yield "webp", encode(detail, "WEBP", exif=exif)
    yield "lossless", encode(clear, "WEBP", lossless=True)
    yield "moving", encode(bird, "WEBP", save_all=True, append_images=[detail.resize(bird.size)])
    for format in ("HEIF", "AVIF"):
        yield format.lower(), encode(detail, format, exif=exif)
        yield f"{format.lower()} clear", encode(clear, format)
    yield "many heif", encode(bird, "HEIF", save_all=True, append_images=[detail])
    yield "gif", encode(bird, "GIF")
    yield "tiff", encode(detail, "TIFF", exif=exif.tobytes(), icc_profile=display_p3())
    yield "deflated tiff", encode(bird, "TIFF", compression="tiff_deflate")
    yield "float tiff", encode(bird.convert("F"), "TIFF")
    yield "jp2", encode(clear, "JPEG2000")
    yield "j2k", encode(detail, "JPEG2000", no_jp2=True, irreversible=True)
    yield "bmp", encode(bird, "BMP")
    yield "ppm", encode(bird, "PPM")
    yield "profile", encode(detail, icc_profile=adobe_rgb())
    yield "cmyk profile", encode(bird.convert("CMYK"), icc_profile=cmyk_profile())
    yield "heif profile", encode(detail, "HEIF", icc_profile=display_p3())
    yield "svg", b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="50000"/>'
    yield "html", b"<!doctype html><script>alert(1)</script>"
    yield "zip", b"PK\3\4" + bytes(26) + b"a.jpg" + encode(bird)
    if RAW.is_dir():
        for file in sorted(RAW.glob("**/*.jpg"), key=lambda file: file.stat().st_size)[:6]:
            yield file.name, file.read_bytes()

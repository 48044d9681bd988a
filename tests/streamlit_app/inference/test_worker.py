import base64
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from plumage.photos import read_photo
from streamlit_app.inference.protocol import read_message, write_frame, write_message
from streamlit_app.inference.worker import (
    PHOTOS_PER_CALL,
    decode_file,
    limited_memory,
    serve,
    thumbnail,
)
from tests.conftest import draw_bird, encode


def responses(*requests: tuple[dict[str, Any], list[bytes]]) -> list[dict[str, Any]]:
    """What a worker responds to classify requests, each with its files."""
    sent, received = io.BytesIO(), io.BytesIO()
    for request, files in requests:
        write_message(sent, request)
        for data in (*files, b""):
            write_frame(sent, data)
    sent.seek(0)
    serve(sent, received)
    received.seek(0)
    return [read_message(received) for _ in requests]


def classify(checkpoint: Path) -> dict[str, Any]:
    request = {"op": "classify", "checkpoint": str(checkpoint), "one_look": False}
    return request | {"thumbnails": False}


def test_a_photo_is_decoded_and_may_come_with_a_thumbnail() -> None:
    data = encode(draw_bird(size=(300, 200)))
    decoded = decode_file(data, with_thumbnail=False)
    assert decoded.photo == read_photo(data)
    assert decoded.fields == {"taken": ""}
    decoded = decode_file(data, with_thumbnail=True)
    assert decoded.fields["thumbnail"].startswith("data:image/jpeg;base64,")


def test_a_thumbnail_is_a_small_jpeg_of_the_photos_shape() -> None:
    kind, data = thumbnail(draw_bird(size=(900, 600))).split(",")
    small = Image.open(io.BytesIO(base64.b64decode(data)))
    assert (kind, small.format, small.size) == ("data:image/jpeg;base64", "JPEG", (96, 64))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not say how much is held")
def test_what_libraries_print_about_a_damaged_file_stays_off_the_terminal(
    capfd: pytest.CaptureFixture[str],
) -> None:
    data = bytearray(encode(draw_bird(), "TIFF", compression="tiff_lzw"))
    middle = len(data) // 2
    data[middle : middle + 40] = b"\xff" * 40
    assert "error" in decode_file(bytes(data), with_thumbnail=False).fields
    assert capfd.readouterr().err == ""
    print("heard", file=sys.stderr)
    assert capfd.readouterr().err == "heard\n"


def test_memory_is_limited_while_files_are_decoded_and_not_while_they_are_classified() -> None:
    with limited_memory(), pytest.raises(MemoryError):
        np.empty(2**30, np.uint8)
    assert np.empty(2**30, np.uint8).nbytes == 2**30


def test_files_are_classified_a_few_at_a_time_and_in_order(checkpoints: Path) -> None:
    bird = encode(draw_bird())
    files = [b"no photo" if number == 5 else bird for number in range(2 * PHOTOS_PER_CALL + 1)]
    (response,) = responses((classify(checkpoints / "bn"), files))
    rows = response["rows"]
    assert ["error" in row for row in rows] == [number == 5 for number in range(len(files))]
    assert {row.get("species") for row in rows} == {"Red Bird", None}


def test_files_for_a_checkpoint_that_is_gone_are_no_part_of_the_next_request(
    tmp_path: Path, checkpoints: Path
) -> None:
    files = [encode(draw_bird())] * (PHOTOS_PER_CALL + 2)
    gone, there = responses((classify(tmp_path), files), (classify(checkpoints / "bn"), files))
    assert "model.onnx" in gone["unusable"]
    assert len(there["rows"]) == len(files)


def test_a_worker_that_only_decodes_loads_no_network() -> None:
    import subprocess

    script = "import sys, streamlit_app.inference.worker; print('onnxruntime' in sys.modules)"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"

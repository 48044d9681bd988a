import sys
from pathlib import Path

import numpy as np
import pytest

from plumage.photos import read_photo, resized
from streamlit_app.inference.worker import AT_ONCE, answer, limited_memory, opened
from tests.conftest import IMAGE_SIZE, draw_bird, encode


def test_a_photo_is_squeezed_as_the_network_wants_it_and_may_come_with_a_thumbnail() -> None:
    data = encode(draw_bird(size=(300, 200)))
    said, pixels = opened(data, 32, thumbnail=False)
    assert pixels == resized(read_photo(data), 32).tobytes()
    assert said == {"taken": "", "thumbnail": ""}
    said, _ = opened(data, 32, thumbnail=True)
    assert said["thumbnail"].startswith("data:image/jpeg;base64,")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not say what is held")
def test_memory_is_limited_while_files_are_decoded_and_not_while_they_are_answered() -> None:
    with limited_memory(), pytest.raises(MemoryError):
        np.empty(2**30, np.uint8)
    assert np.empty(2**30, np.uint8).nbytes == 2**30


def test_files_are_answered_a_few_at_a_time_and_in_order(checkpoints: Path) -> None:
    bird = encode(draw_bird())
    files = [b"no photo" if number == 5 else bird for number in range(2 * AT_ONCE + 1)]
    found = answer(checkpoints / "bn", IMAGE_SIZE, iter(files), thumbnails=False)["found"]
    assert ["error" in said for said in found] == [number == 5 for number in range(len(files))]
    assert {said.get("species") for said in found} == {"Red Bird", None}


def test_files_for_a_checkpoint_that_is_gone_are_no_part_of_the_next_request(
    tmp_path: Path,
) -> None:
    files = iter([encode(draw_bird())] * (AT_ONCE + 2))
    assert "model.onnx" in answer(tmp_path, IMAGE_SIZE, files, thumbnails=False)["unusable"]
    assert not list(files)

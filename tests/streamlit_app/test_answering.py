import sys

import numpy as np
import pytest

from streamlit_app.answering import limited_memory, opened
from streamlit_app.decoding import decode
from streamlit_app.photos import squeezed
from tests.conftest import draw_bird, encode


def test_a_photo_is_squeezed_as_the_network_wants_it_and_may_come_with_a_thumbnail() -> None:
    data = encode(draw_bird(size=(300, 200)))
    said, pixels = opened(data, 32, thumbnail=False)
    assert pixels == squeezed(decode(data), 32).tobytes()
    assert said == {"taken": "", "thumbnail": ""}
    said, _ = opened(data, 32, thumbnail=True)
    assert said["thumbnail"].startswith("data:image/jpeg;base64,")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not say what is held")
def test_memory_is_limited_while_files_are_decoded_and_not_while_they_are_answered() -> None:
    with limited_memory(), pytest.raises(MemoryError):
        np.empty(2**30, np.uint8)
    assert np.empty(2**30, np.uint8).nbytes == 2**30

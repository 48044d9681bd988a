"""A process that decodes and answers files for lanes.py: `python -m streamlit_app.answering`.

A file is held to the limits of decoding.py, whatever the checkpoint itself takes.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np

from streamlit_app import decoding
from streamlit_app.classifier import Answer, CheckpointError, Classifier, none_of
from streamlit_app.photos import PhotoError, squeezed
from streamlit_app.species import common_name


@contextlib.contextmanager
def limited_memory() -> Iterator[None]:
    """Have the block take MOST_MEMORY at most, beyond what this process holds."""
    with contextlib.suppress(OSError):  # only Linux says how much that is
        pages = int(Path("/proc/self/statm").read_text().split()[5])
        decoding.limit_memory(pages * os.sysconf("SC_PAGE_SIZE") + decoding.MOST_MEMORY)
    yield
    decoding.limit_memory(None)


def opened(data: bytes, side: int, thumbnail: bool) -> tuple[dict[str, Any], bytes]:
    """What is said of a file, and the pixels of its photo, squeezed; none where it has a fault."""
    try:
        photo = decoding.decode(data)
    except PhotoError as error:
        return {"error": str(error)}, b""
    small = decoding.thumbnail(photo) if thumbnail else ""
    said = {"taken": decoding.taken(photo), "thumbnail": small}
    return said, squeezed(photo, side).tobytes()


def described(answer: Answer, photo: int) -> dict[str, Any]:
    """What the table says about the photo of that number, but for its file: fields of `Row`."""
    guesses = [(common_name(name), share) for name, share in answer.ranking(photo)]
    first: tuple[str, float | None]
    first, second, among = guesses[0], guesses[1], answer.among(photo)
    if answer.novel[photo]:
        first, second, among = (none_of(answer.species), None), guesses[0], []
    return {
        "species": first[0],
        "probability": first[1],
        "second_species": second[0],
        "second_probability": second[1],
        "one_of": "; ".join(map(common_name, among)),
    }


@lru_cache(maxsize=1)
def _classifier(checkpoint: Path, stamp: int) -> Classifier:
    return Classifier(checkpoint)


def answer(checkpoint: Path, side: int, files: Iterator[bytes], thumbnails: bool) -> dict[str, Any]:
    """What is found in each file, or why the checkpoint cannot be used."""
    found, pixels = [], []
    with limited_memory():
        for data in files:
            with decoding.limited_time():
                said, photo = opened(data, side, thumbnails)
            found.append(said)
            pixels.append(photo)
    batch = np.frombuffer(b"".join(pixels), np.uint8).reshape(-1, side, side, 3)
    if not len(batch):
        return {"found": found}
    model = checkpoint / "model.onnx"
    try:
        stamp = model.stat().st_mtime_ns if model.exists() else 0
        answer = _classifier(checkpoint, stamp).answer_squeezed(batch)
    except CheckpointError as error:
        return {"unusable": str(error)}
    numbers = iter(range(len(batch)))
    for said in found:
        if "error" not in said:
            said |= described(answer, next(numbers))
    return {"found": found}


def serve(requests: IO[bytes], responses: IO[bytes]) -> None:
    """Answer requests until there are no more; see `lanes.Lane.ask`."""
    while line := requests.readline():
        asked = json.loads(line)
        checkpoint, side = Path(asked["checkpoint"]), asked["side"]
        found = answer(checkpoint, side, decoding.files(requests), asked["thumbnails"])
        responses.write(json.dumps(found).encode() + b"\n")
        responses.flush()


if __name__ == "__main__":
    decoding.main(serve)

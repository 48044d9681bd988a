"""A process that decodes and answers files: `python -m streamlit_app.inference.worker`.

A file is held to the limits of decoding.py, whatever the checkpoint itself takes.
"""

import contextlib
import json
import os
from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np

from plumage.contract import MODEL
from plumage.photos import PhotoError, read_photo, resized
from streamlit_app.inference import decoding
from streamlit_app.inference.classifier import Answer, CheckpointError, Classifier, none_of
from streamlit_app.species import common_name

AT_ONCE = 4  # photos answered by one call: enough for onnxruntime's best speed, few in memory


@contextlib.contextmanager
def limited_memory() -> Iterator[None]:
    """Have the block take MOST_MEMORY at most, beyond what this process holds."""
    with contextlib.suppress(OSError):  # only Linux says how much that is
        pages = int(Path("/proc/self/statm").read_text().split()[5])
        decoding.limit_memory(pages * os.sysconf("SC_PAGE_SIZE") + decoding.MOST_MEMORY)
    try:
        yield
    finally:
        decoding.limit_memory(None)


def opened(data: bytes, side: int, thumbnail: bool) -> tuple[dict[str, Any], bytes]:
    """What is said of a file, and the pixels of its photo, squeezed; none where it has a fault."""
    try:
        photo = read_photo(data)
    except PhotoError as error:
        return {"error": str(error)}, b""
    small = decoding.thumbnail(photo) if thumbnail else ""
    said = {"taken": photo.info["taken"], "thumbnail": small}
    return said, resized(photo, side).tobytes()


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


Opened = tuple[dict[str, Any], bytes]


def open_some(files: Iterator[bytes], side: int, thumbnails: bool) -> list[Opened]:
    """What `opened` gives for the next AT_ONCE files."""
    some = []
    with limited_memory():
        for data in islice(files, AT_ONCE):
            with decoding.limited_time():
                some.append(opened(data, side, thumbnails))
    return some


def answer_some(checkpoint: Path, side: int, some: list[Opened]) -> list[dict[str, Any]]:
    """What is found in these files; raises CheckpointError."""
    pixels = b"".join(photo for _, photo in some)
    batch = np.frombuffer(pixels, np.uint8).reshape(-1, side, side, 3)
    if len(batch):
        model = checkpoint / MODEL
        stamp = model.stat().st_mtime_ns if model.exists() else 0
        answer = _classifier(checkpoint, stamp).answer_squeezed(batch)
        numbers = iter(range(len(batch)))
        for said, photo in some:
            if photo:
                said |= described(answer, next(numbers))
    return [said for said, _ in some]


def answer(checkpoint: Path, side: int, files: Iterator[bytes], thumbnails: bool) -> dict[str, Any]:
    """What is found in each file, or why the checkpoint cannot be used."""
    found: list[dict[str, Any]] = []
    try:
        while some := open_some(files, side, thumbnails):
            found += answer_some(checkpoint, side, some)
    except CheckpointError as error:
        deque(files, maxlen=0)  # those that were sent are no part of the next request
        return {"unusable": str(error)}
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

"""The protocol between the app and its workers: frames over a pipe.

A worker writes READY, then serves one request after the other. A request is a JSON frame, a frame
for each file, and an empty frame:

    {"op": "decode"}
    {"op": "classify", "checkpoint": folder, "one_look": bool, "thumbnails": bool}

The response is a JSON frame. To `decode` it is {"size": [width, height]} and a frame of RGB pixels
follows, or {"fault": sentence}. To `classify` it is {"rows": [fields of a table's row]}, or
{"unusable": sentence} where the checkpoint is at fault.
"""

import json
from struct import Struct
from typing import IO, Any, NamedTuple

from PIL import Image

READY = b"ready\n"
_LENGTH = Struct("<Q")  # of a frame, before its bytes


class Decoded(NamedTuple):
    """A file of a table: fields of its row, and its photo, None at a fault."""

    fields: dict[str, Any]
    photo: Image.Image | None


def write_frame(stream: IO[bytes], data: bytes) -> None:
    """Write one frame."""
    stream.write(_LENGTH.pack(len(data)))
    stream.write(data)


def read_frame(stream: IO[bytes]) -> bytes:
    """Read one frame; raises EOFError where the other side has gone."""
    (length,) = _LENGTH.unpack(_read(stream, _LENGTH.size))
    return _read(stream, length)


def write_message(stream: IO[bytes], message: dict[str, Any]) -> None:
    """Write a JSON frame."""
    write_frame(stream, json.dumps(message).encode())


def read_message(stream: IO[bytes]) -> dict[str, Any]:
    """Read a JSON frame; raises EOFError where the other side has gone."""
    message: dict[str, Any] = json.loads(read_frame(stream))
    return message


def _read(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data

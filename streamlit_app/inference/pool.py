"""Files to rows by processes of their own (answering.py), each of which keeps one core busy.

There a photo is decoded and answered without leaving the process, so nothing waits for anything;
and a page that shows how far the photos are has its own process to itself.
"""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from plumage.photos import PhotoError, check_size
from streamlit_app.inference.classifier import CheckpointError
from streamlit_app.inference.photos import (
    LENGTH,
    Helper,
    Helpers,
    read_line,
    send_file,
)

# How to get at a file's bytes.
Read = Callable[[], bytes]


def answered(
    checkpoint: Path, side: int, reads: Sequence[Read], thumbnails: bool
) -> list[dict[str, Any]]:
    """What `answering.answer` says of each file, or its `error`.

    checkpoint: its folder. side: in pixels, of its photos. Raises: CheckpointError, and PhotoError
    where a file, nobody knows which, ends the process.
    """
    with _helpers.one() as lane:
        return lane.ask(checkpoint, side, reads, thumbnails)


def start_lanes() -> None:
    """Start the processes now, so that the first photos need not wait for them."""
    _helpers.start()


class Lane(Helper):
    """A process that answers files, a few at once."""

    command = [sys.executable, "-m", "streamlit_app.inference.worker"]
    # A network's numbers are megabytes: in the kernel's large pages it takes 5% less of a core.
    environment = MappingProxyType({"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"})

    def ask(
        self, checkpoint: Path, side: int, reads: Sequence[Read], thumbnails: bool
    ) -> list[dict[str, Any]]:
        """See `answered`."""
        faults: dict[int, str] = {}

        def send(stream: IO[bytes]) -> None:
            asked = {"checkpoint": str(checkpoint.absolute()), "side": side}
            stream.write(json.dumps(asked | {"thumbnails": thumbnails}).encode() + b"\n")
            for place, read in enumerate(reads):  # one after the other, so that few are in memory
                try:
                    data = read()
                    check_size(data)
                except PhotoError as error:
                    faults[place] = str(error)
                except OSError as error:
                    faults[place] = f"This file cannot be opened: {error.strerror or error}."
                else:
                    send_file(stream, data)
            stream.write(LENGTH.pack(0))

        said = self.talk(send, read_line)
        if "unusable" in said:
            raise CheckpointError(said["unusable"])
        found = iter(said["found"])
        return [
            {"error": faults[place]} if place in faults else next(found)
            for place in range(len(reads))
        ]


_helpers = Helpers(Lane)

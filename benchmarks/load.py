"""Do 50 visitors at once get an answer, their own, and soon, for five minutes?

    python -m benchmarks.load [--visitors 50] [--seconds 300] [--think 10]

A visitor has a tab open, uploads a phone's photo of 12 megapixels or less, waits for the page and
its picture, looks at it for `think` seconds on average, changes to Compare or Explain, where the
photo is still there, and uploads the next one on Identify. The app is started on
127.0.0.1 with the shipped checkpoints; visitors run on the same cores, and what they cost is in the
times. A visitor's photo has a shape of its own, which the picture that comes back must have.
"""

import argparse
import io
import os
import random
import statistics
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter
from streamlit.proto.Delta_pb2 import Delta

from benchmarks.client.visitor import Visit, open_tab, serving
from benchmarks.timing import report

ROOT = Path(__file__).parents[1]
AIM_SECONDS, AIM_GROWTH = 2.0, 0.1
LATER = ("compare", "explain")  # the pages that a visitor takes a photo to, in turns
WIDTH, HEIGHT, TALLER = 4032, 2000, 16  # pixels of the first visitor's photo; of the next one more


@dataclass
class Seen:
    """Observations of visitors: seconds of each answer and page change, errors, and pictures not
    their own.
    """

    seconds: list[float] = field(default_factory=list)
    changes: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    foreign: int = 0


def photos(visitors: int) -> list[bytes]:
    """A JPEG for each visitor, with as much detail as the drawing of a landscape has."""
    noise = np.random.default_rng(0).integers(0, 256, (378, 504, 3), dtype=np.uint8)
    drawn = Image.fromarray(noise).filter(ImageFilter.GaussianBlur(2))
    whole = drawn.resize((WIDTH, HEIGHT + TALLER * visitors))
    files = []
    for number in range(visitors):
        file = io.BytesIO()
        whole.crop((0, 0, WIDTH, HEIGHT + TALLER * number)).save(file, "JPEG", quality=85)
        files.append(file.getvalue())
    return files


def marked(photo: bytes, number: int) -> bytes:
    """The same photo as another file, which nobody has answered yet: with a comment in it."""
    words = f"upload {number}".encode()
    return photo[:2] + b"\xff\xfe" + (len(words) + 2).to_bytes(2, "big") + words + photo[2:]


def upload_and_look(visit: Visit, photo: bytes) -> Image.Image:
    """One answer: the file sent, the page run, its picture fetched. Raises AssertionError."""
    return look(visit, visit.run(visit.send("bird.jpg", photo)))


def look(visit: Visit, shown: Sequence[Delta]) -> Image.Image:
    """The first picture that a page has sent, fetched. Raises AssertionError."""
    kinds = [delta.new_element.WhichOneof("type") for delta in shown]
    assert "exception" not in kinds, "the page shows an error"
    alerts = [
        d.new_element.alert.body for d in shown if d.new_element.WhichOneof("type") == "alert"
    ]
    assert not alerts, alerts[0]
    addresses = [d.new_element.imgs.imgs[0].url for d in shown if d.new_element.HasField("imgs")]
    assert addresses, "the page shows no photo"
    address = addresses[0]
    picture = visit.http.get(f"http://{visit.host}{address}", timeout=60)
    picture.raise_for_status()
    return Image.open(io.BytesIO(picture.content))


def be_a_visitor(
    host: str, number: int, photo: bytes, until: float, think: float, seen: Seen
) -> None:
    """Upload, look and change pages until the time is up."""
    rng, shape = random.Random(number), (HEIGHT + TALLER * number) / WIDTH
    try:
        with open_tab(host) as socket:
            visit = Visit(host, socket)
            visit.run()
            upload = 0
            time.sleep(rng.uniform(0, 2 * think))  # they did not come at the same moment
            while time.monotonic() < until:
                upload += 1
                data = marked(photo, upload)
                start = time.monotonic()
                picture = upload_and_look(visit, data)
                seen.seconds.append(time.monotonic() - start)
                seen.foreign += not has_shape(picture, shape)
                time.sleep(rng.uniform(0.5, 1.5) * think)
                start = time.monotonic()
                picture = look(visit, visit.go_to(LATER[upload % len(LATER)]))
                seen.changes.append(time.monotonic() - start)
                seen.foreign += not has_shape(picture, shape)
                time.sleep(rng.uniform(0.5, 1.5) * think)
                visit.go_to("")
    except Exception as error:
        seen.errors.append(f"{type(error).__name__}: {error}")


def has_shape(picture: Image.Image, shape: float) -> bool:
    """Whether a picture is as many times as high as wide."""
    return abs(picture.height / picture.width - shape) <= 0.002


def cost_of(process: int) -> tuple[float, float]:
    """MB of a process and its children, and seconds of a core that they have used."""
    total, ticks, waiting = 0.0, 0, [process]
    while waiting:
        folder = Path("/proc") / str(waiting.pop())
        try:
            (line,) = (
                x
                for x in (folder / "status").read_text(encoding="utf-8").splitlines()
                if "VmRSS" in x
            )
            used = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[11:13]
            waiting += [
                int(c)
                for f in folder.glob("task/*/children")
                for c in f.read_text(encoding="utf-8").split()
            ]
        except (OSError, ValueError):  # it has ended meanwhile
            continue
        total += int(line.split()[1]) / 1024
        ticks += sum(map(int, used))
    return total, ticks / os.sysconf("SC_CLK_TCK")


def visits(
    host: str, process: int, files: Sequence[bytes], seconds: float, think: float
) -> tuple[Seen, list[float]]:
    """Visitors with these photos, all at once; what they met, and the server's MB each second."""
    seen, memory = Seen(), []
    until = time.monotonic() + seconds
    threads = [
        threading.Thread(target=be_a_visitor, args=(host, number, file, until, think, seen))
        for number, file in enumerate(files)
    ]
    for thread in threads:
        thread.start()
    while time.monotonic() < until:
        memory.append(cost_of(process)[0])
        time.sleep(1)
    for thread in threads:
        thread.join()
    return seen, memory


def growth(memory: Sequence[float], minute: int = 60) -> float:
    """The growth of memory after the first minute, a share, by medians over ten seconds."""
    first = statistics.median(memory[minute - 5 : minute + 5])
    return statistics.median(memory[-10:]) / first - 1


def row(
    seen: Seen, memory: Sequence[float], visitors: int, think: float, processor: float
) -> dict[str, Any]:
    """The row of one run; processor: seconds of a core that the app used."""
    median = statistics.median(seen.seconds)
    grown = growth(memory) if len(memory) > 90 else None
    return {
        "visitors": visitors,
        "seconds": len(memory),
        "looking, s": think,
        "answers": len(seen.seconds),
        "median, s": median,
        "95th percentile, s": float(np.quantile(seen.seconds, 0.95)),
        "page changes": len(seen.changes),
        "median page change, s": statistics.median(seen.changes) if seen.changes else None,
        "an answer, ms of a core": 1e3 * processor / len(seen.seconds),
        "errors": len(seen.errors),
        "photos of others": seen.foreign,
        "memory, MB": max(memory),
        "growth after 60 s, %": None if grown is None else 100 * grown,
        "aim": AIM_SECONDS,
        "holds": median < AIM_SECONDS
        and not seen.errors
        and not seen.foreign
        and (grown is None or grown < AIM_GROWTH),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the app under load and write benchmarks/results/load.json."""
    parser = argparse.ArgumentParser("python -m benchmarks.load")
    parser.add_argument("--visitors", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--think", type=float, default=10)
    given = parser.parse_args(arguments)
    files = photos(given.visitors)
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app/main.py"]
    with serving([*command, "--server.address=127.0.0.1"], ROOT) as (host, process):
        _, before = cost_of(process)
        seen, memory = visits(host, process, files, given.seconds, given.think)
        processor = cost_of(process)[1] - before
    for error in sorted(set(seen.errors)):
        print(error, file=sys.stderr)
    report(
        "load",
        "Visitors of one process of the app, uploading phones' photos, changing pages",
        [row(seen, memory, given.visitors, given.think, processor)],
    )


if __name__ == "__main__":
    main()

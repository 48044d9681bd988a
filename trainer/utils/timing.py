"""How long calls take, measured so that what is compared shares the machine's moods."""

import random
import time
from collections.abc import Callable, Mapping


def alternate(
    sides: Mapping[str, Callable[[], object]],
    repeats: int,
    calls: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds of a call of each side, timed in turns so that all share the machine's moods.

    Args:
        sides: what is compared; each is called twice before the clock starts.
        repeats: turns of each side.
        calls: calls in each turn.
        clock: what tells the seconds; time.process_time leaves out what other programs take.
    """
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for call in sides.values():
        call()
        call()
    turns = random.Random(0)
    for _ in range(repeats):
        for name in turns.sample(list(sides), len(sides)):  # who is first has the coldest caches
            call = sides[name]
            start = clock()
            for _ in range(calls):
                call()
            seconds[name].append((clock() - start) / calls)
    return seconds

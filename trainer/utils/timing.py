"""Interleaved timing: a drift of the machine's speed affects all contestants alike."""

import random
import time
from collections.abc import Callable, Mapping


def interleaved(
    sides: Mapping[str, Callable[[], object]],
    repeats: int,
    calls: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds of a call of each contestant, timed in turns.

    Args:
        sides: the contestants; each is called twice before the clock starts.
        repeats: turns of each.
        calls: calls in each turn.
        clock: returns seconds; time.process_time leaves out other programs' share.
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

"""How long calls take, measured so that what is compared shares the machine's moods."""

import random
import time
from collections.abc import Callable, Mapping


def alternate(
    sides: Mapping[str, Callable[[], object]], repeats: int, calls: int = 1
) -> dict[str, list[float]]:
    """Seconds of a call of each side, timed in turns so that all share the machine's moods.

    Args:
        sides: what is compared; each is called twice before the clock starts.
        repeats: turns of each side.
        calls: calls in each turn.
    """
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for call in sides.values():
        call()
        call()
    turns = random.Random(0)
    for _ in range(repeats):
        for name in turns.sample(list(sides), len(sides)):  # who is first has the coldest caches
            call = sides[name]
            start = time.perf_counter()
            for _ in range(calls):
                call()
            seconds[name].append((time.perf_counter() - start) / calls)
    return seconds

from collections import Counter

from trainer.utils.timing import interleaved


def test_each_side_is_timed_as_often_as_asked_after_two_calls_that_do_not_count():
    called: Counter[str] = Counter()
    sides = {name: lambda name=name: called.update([name]) for name in "ab"}
    seconds = interleaved(sides, repeats=3, calls=4)
    assert {name: len(times) for name, times in seconds.items()} == {"a": 3, "b": 3}
    assert called == {"a": 2 + 3 * 4, "b": 2 + 3 * 4}
    assert all(time >= 0 for times in seconds.values() for time in times)


def test_no_side_is_always_first():
    order: list[str] = []
    interleaved({name: lambda name=name: order.append(name) for name in "ab"}, repeats=20)
    assert len(set(order[4::2])) == 2
    assert all(set(turn) == {"a", "b"} for turn in zip(order[4::2], order[5::2], strict=True))

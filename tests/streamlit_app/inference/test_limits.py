import threading

import pytest

from streamlit_app.inference.limits import BusyError, ConcurrencyLimiter


def test_no_more_work_at_once_than_may_and_all_who_wait_get_a_slot() -> None:
    limiter, lock = ConcurrencyLimiter(at_once=2, waiting=8), threading.Lock()
    together, most, done, came = 0, 0, 0, 0
    all_came, two = threading.Event(), threading.Barrier(2)

    def work() -> None:
        nonlocal together, most, done, came
        with lock:
            came += 1
            if came == 10:
                all_came.set()
        with limiter.slot():
            with lock:
                together += 1
                most = max(most, together)
            all_came.wait()
            two.wait()
            with lock:
                together -= 1
                done += 1

    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, done) == (2, 10)


def test_a_full_queue_refuses_and_later_admits_again() -> None:
    limiter = ConcurrencyLimiter(at_once=1, waiting=0)
    with (
        limiter.slot(),
        pytest.raises(BusyError, match="please try again in a moment"),
        limiter.slot(),
    ):
        pytest.fail("there was no place")
    with limiter.slot():
        pass


def test_a_slot_whose_work_fails_is_given_back() -> None:
    limiter = ConcurrencyLimiter(at_once=1, waiting=0)
    with pytest.raises(ZeroDivisionError), limiter.slot():
        raise ZeroDivisionError
    with limiter.slot():
        pass

import threading

import pytest

from streamlit_app.inference.limits import BusyError, Turns


def test_no_more_work_at_once_than_may_and_all_who_wait_have_their_turn() -> None:
    turns, lock = Turns(at_once=2, waiting=8), threading.Lock()
    together, most, done = 0, 0, 0

    def work() -> None:
        nonlocal together, most, done
        with turns.one():
            with lock:
                together += 1
                most = max(most, together)
            threading.Event().wait(0.01)
            with lock:
                together -= 1
                done += 1

    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, done) == (2, 10)


def test_who_finds_the_queue_full_is_told_so_and_may_come_back() -> None:
    turns = Turns(at_once=1, waiting=0)
    with turns.one(), pytest.raises(BusyError, match="please try again in a moment"), turns.one():
        pytest.fail("there was no place")
    with turns.one():
        pass


def test_a_turn_that_fails_is_given_back() -> None:
    turns = Turns(at_once=1, waiting=0)
    with pytest.raises(ZeroDivisionError), turns.one():
        raise ZeroDivisionError
    with turns.one():
        pass

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from streamlit_app.inference import limits
from streamlit_app.inference.limits import BusyError, ConcurrencyLimiter, parse_cores


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


@pytest.mark.parametrize(
    ("text", "cores"),
    [("2", 2), (" 2 ", 2), ("1.5", 1), ("2,5", 2), ("0.5", 1), ("", os.cpu_count())],
)
def test_a_number_of_cores_is_taken_as_people_write_it(text: str, cores: int) -> None:
    assert parse_cores(text) == cores


@pytest.mark.parametrize("text", ["two", "-1", "0", "nan", "inf", "1e9", "2 cores"])
def test_what_is_no_number_of_cores_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=f"PLUMAGE_CORES is '{text}': set it to a number"):
        parse_cores(text)


@pytest.mark.slow
def test_the_command_says_in_one_sentence_that_the_number_of_cores_is_wrong(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "streamlit_app.batch", str(tmp_path), "--out", "birds.csv"],
        cwd=Path(__file__).parents[3],
        env=os.environ | {"PLUMAGE_CORES": "two"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("PLUMAGE_CORES is 'two'")
    assert done.stderr.count("\n") == 1


def test_a_page_says_that_the_number_of_cores_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CORES_FAULT", "PLUMAGE_CORES is wrong.")
    main = Path(__file__).parents[3] / "streamlit_app" / "main.py"
    app = AppTest.from_file(str(main), default_timeout=300).run()
    assert [error.value for error in app.error] == ["PLUMAGE_CORES is wrong."]

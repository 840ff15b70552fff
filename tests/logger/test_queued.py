"""A logger behind a queue: whatever it does, the run does not wait for it."""

import threading
import time

import pytest

from cvrun.logger import _queued
from cvrun.logger._queued import Queued, Trouble, close_all


class Noting:
    """Notes what it is told; does act(what) before."""

    def __init__(self, act=lambda what: None):
        self.act, self.told = act, []

    def open(self, header):
        self._take("open")

    def write(self, record):
        self._take(record["step"])

    def say(self, text):
        self._take(text)

    def close(self):
        self._take("close")

    def _take(self, what):
        self.act(what)
        self.told.append(what)


def raising(*at, error=RuntimeError):
    def act(what):
        if what in at:
            raise error("no more")

    return act


def closed(queued) -> list[str]:
    """Close it; give what is said then."""
    said = []
    close_all([("x", queued)], lambda name, error: said.append(f"{name} {error}"))
    return said


def test_everything_comes_in_order_and_in_another_thread(header):
    threads = set()
    noting = Noting(lambda what: threads.add(threading.current_thread()))
    queued = Queued(noting)
    queued.say("early")
    queued.open(header())
    queued.write({"step": 1})
    queued.say("a")
    queued.write({"step": 2, "val/loss": 0.5})
    assert closed(queued) == []
    assert noting.told == ["open", "early", 1, "a", 2, "close"]
    assert threading.main_thread() not in threads and len(threads) == 1
    assert all(thread.daemon for thread in threads)


def test_a_record_that_changes_later_is_taken_as_it_was(header):
    gate, seen = threading.Event(), []

    class Slow(Noting):
        def write(self, record):
            gate.wait(5)
            seen.append(dict(record))
            with pytest.raises(TypeError):
                record["step"] = 0

    queued = Queued(Slow())
    queued.open(header())
    record = {"step": 1}
    queued.write(record)
    record["step"] = 2
    gate.set()
    assert closed(queued) == []
    assert seen == [{"step": 1}]


def test_one_that_was_never_opened_is_closed(header):
    noting = Noting()
    assert closed(Queued(noting)) == []
    assert noting.told == ["close"]


@pytest.mark.parametrize("error", [RuntimeError, SystemExit, KeyboardInterrupt])
def test_an_error_of_open_is_the_end(header, error):
    noting = Noting(raising("open", error=error))
    queued = Queued(noting)
    queued.open(header())
    queued._thread.join(5)
    with pytest.raises(Trouble, match=rf"^failed and is left out from here on \({error.__name__}: no more\)$"):
        queued.write({"step": 1})
    assert noting.told == ["close"]


@pytest.mark.parametrize("error", [SystemExit, GeneratorExit])
def test_one_that_wants_to_end_its_thread_is_left_out(header, error):
    noting = Noting(raising(2, error=error))
    queued = Queued(noting)
    queued.open(header())
    for step in (1, 2, 3):
        queued.write({"step": step})
    assert closed(queued) == [f"x failed and is left out from here on ({error.__name__}: no more)"]
    assert noting.told == ["open", 1, "close"]


def test_three_errors_in_a_row_are_the_end_and_two_are_not(header):
    noting = Noting(raising(2, 3, 5, 6, 7))
    queued = Queued(noting)
    queued.open(header())
    for step in range(1, 10):
        queued.write({"step": step})
    assert closed(queued) == ["x failed 3 times in a row and is left out from here on (RuntimeError: no more)"]
    assert noting.told == ["open", 1, 4, "close"]


def test_what_was_lost_is_counted(header):
    noting = Noting(raising(2, 4))
    queued = Queued(noting)
    queued.open(header())
    for step in range(1, 6):
        queued.write({"step": step})
    assert closed(queued) == ["x lost 2 (RuntimeError: no more) of the records; records.jsonl has all"]
    assert noting.told == ["open", 1, 3, 5, "close"]


def test_a_full_queue_leaves_out_log_points_but_no_evaluation(header, monkeypatch):
    monkeypatch.setattr(_queued, "WAITING", 3)
    gate = threading.Event()
    noting = Noting(lambda what: gate.wait(5))
    queued = Queued(noting)
    queued.open(header())
    for step in range(1, 7):
        queued.write({"step": step})
    queued.write({"step": 7, "val/loss": 1.0})
    queued.say("hello")
    queued.write({"step": 8, "best/step": 4})
    # Twice as many wait: nothing more is taken.
    queued.write({"step": 9, "val/loss": 1.0})
    gate.set()
    assert closed(queued) == ["x was too slow for 4 of the records; records.jsonl has all"]
    assert noting.told == ["open", 1, 2, 3, 7, "hello", 8, "close"]


def test_all_that_hang_cost_one_wait_together(header, monkeypatch):
    monkeypatch.setattr(_queued, "CLOSING", 0.3)
    for_ever = threading.Event()
    hanging = [Queued(Noting(lambda what: for_ever.wait(30))) for _ in range(3)]
    good = Noting()
    names = [("a", hanging[0]), ("b", hanging[1]), ("good", Queued(good)), ("c", hanging[2])]
    for _, queued in names:
        queued.open(header())
        queued.write({"step": 1})
    said = []
    began = time.monotonic()
    close_all(names, lambda name, error: said.append(f"{name} {error}"))
    assert 0.3 <= time.monotonic() - began < 0.6
    assert said == [f"{name} did not come to its end in 0.3 s and is left behind" for name in "abc"]
    assert good.told == ["open", 1, "close"]
    for_ever.set()
    for queued in hanging:
        queued._thread.join(5)
        # What still waited is not passed on after the end.
        assert queued._logger.told == ["open", "close"]


def test_one_that_fails_to_close_is_named(header):
    queued = Queued(Noting(raising("close")))
    queued.open(header())
    assert closed(queued) == ["x failed when it was closed (RuntimeError: no more)"]


def test_an_error_without_words_is_named_by_its_class(header):
    class Mute(Exception):
        def __str__(self):
            raise ValueError

    def act(what):
        if what == "open":
            raise Mute

    queued = Queued(Noting(act))
    queued.open(header())
    assert closed(queued) == ["x failed and is left out from here on (Mute)"]

"""Chunks are each given once, whatever the workers, and whoever hangs or dies is replaced."""

import itertools
import math
import threading
import time
from collections import Counter
from typing import Any

import pytest

from cvrun.errors import DataError
from cvrun.pipeline.workers import AHEAD, TRIES, GivenUpError, in_order, work_through

SLOW = 60.0
"""[s] More than any test here takes."""


@pytest.mark.parametrize("workers", [0, 1, 2, 7])
def test_each_chunk_is_given_once(workers: int) -> None:
    found = list(work_through(lambda chunk: chunk * chunk, range(3, 50, 3), workers, SLOW))
    assert sorted(found) == [(chunk, chunk * chunk) for chunk in range(3, 50, 3)]


@pytest.mark.parametrize("workers", [0, 3])
def test_nothing_to_do(workers: int) -> None:
    assert list(work_through(lambda chunk: chunk, [], workers, SLOW)) == []


def test_without_workers_all_is_done_in_this_thread_and_in_order() -> None:
    found = list(work_through(lambda chunk: threading.get_ident(), [5, 1, 3], 0, SLOW))
    assert found == [(chunk, threading.get_ident()) for chunk in (5, 1, 3)]
    with pytest.raises(RuntimeError, match="once"):
        list(work_through(lambda chunk: failing("once"), [1], 0, SLOW))


def failing(text: str) -> Any:
    raise RuntimeError(text)


def test_with_one_worker_another_thread_does_it_in_order() -> None:
    found = list(work_through(lambda chunk: threading.current_thread().name, [5, 1, 3], 1, SLOW))
    assert found == [(chunk, "decode") for chunk in (5, 1, 3)]


class Flaky:
    """Work of which the first tries of some chunks fail."""

    def __init__(self, failures: dict[int, int], fail: Any) -> None:
        self.failures, self.fail = failures, fail
        self.tries: Counter[int] = Counter()
        self.lock = threading.Lock()

    def __call__(self, chunk: int) -> int:
        with self.lock:
            self.tries[chunk] += 1
            now = self.tries[chunk]
        if now <= self.failures.get(chunk, 0):
            self.fail(f"try {now}")
        return -chunk


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("fail", [failing, lambda text: time.sleep(5), lambda text: exit(3)])
def test_a_failed_try_is_made_again(workers: int, fail: Any) -> None:
    work = Flaky({2: 1, 5: TRIES - 1, 9: 1}, fail)
    assert sorted(work_through(work, range(10), workers, 0.2)) == [(chunk, -chunk) for chunk in range(10)]
    assert work.tries == {**dict.fromkeys(range(10), 1), 2: 2, 5: TRIES, 9: 2}


@pytest.mark.parametrize(
    ("fail", "fact"),
    [(failing, "RuntimeError: try 3"), (lambda text: time.sleep(5), "not done within worker_timeout=0.2 s")],
)
def test_after_three_tries_it_is_given_up(fail: Any, fact: str) -> None:
    work = Flaky({4: 99}, fail)
    with pytest.raises(GivenUpError) as caught:
        list(work_through(work, range(10), 2, 0.2))
    assert (caught.value.chunk, str(caught.value)) == (4, fact)
    assert work.tries[4] == TRIES == 3


def test_an_error_for_the_user_is_not_tried_again() -> None:
    def refuse(text: str) -> None:
        raise DataError(text)

    work = Flaky({4: 99}, refuse)
    with pytest.raises(DataError, match="^try 1$"):
        list(work_through(work, range(10), 2, SLOW))
    assert work.tries[4] == 1


def test_the_result_of_a_try_that_was_given_up_counts() -> None:
    """It takes longer than one try may, and less than three."""
    began: list[float] = []

    def slow(chunk: int) -> None:
        began.append(time.monotonic())
        time.sleep(0.3)

    assert len(list(work_through(slow, [0], 1, 0.2))) == 1
    assert len(began) == 2


def test_a_worker_that_hangs_on_what_is_done_by_now_is_replaced_too() -> None:
    """The first try of chunk 0 comes late, the second one never: the only worker is lost, and the others wait."""
    tries: Counter[int] = Counter()

    def work(chunk: int) -> int:
        tries[chunk] += 1
        if chunk == 0:
            time.sleep(0.25 if tries[0] == 1 else 5)
        return chunk

    assert sorted(work_through(work, range(4), 1, 0.15)) == [(chunk, chunk) for chunk in range(4)]


def test_workers_do_not_run_far_ahead_of_who_takes_the_results() -> None:
    begun: list[int] = []
    results = work_through(lambda chunk: begun.append(chunk), range(100), 2, SLOW)
    next(results)
    time.sleep(0.2)
    # One is taken, AHEAD a worker are done.
    assert len(begun) <= 1 + AHEAD * 2 + 2
    assert len(list(results)) == 99
    assert sorted(begun) == list(range(100))


def test_who_stops_early_stops_the_workers() -> None:
    begun: list[int] = []

    def work(chunk: int) -> None:
        begun.append(chunk)
        time.sleep(0.01)

    results = work_through(work, range(1000), 2, SLOW)
    next(results)
    results.close()  # type: ignore[attr-defined]
    time.sleep(0.1)
    ended = len(begun)
    time.sleep(0.1)
    assert len(begun) == ended < 20


def test_a_timeout_without_end() -> None:
    assert sorted(work_through(lambda chunk: chunk, range(5), 2, math.inf)) == [(i, i) for i in range(5)]


def test_a_long_pause_of_the_reader_is_nobodys_fault() -> None:
    work = Flaky({}, failing)
    results = work_through(work, range(20), 2, 0.1)
    next(results)
    time.sleep(0.3)
    assert len(list(results)) == 19
    assert set(work.tries.values()) == {1}


@pytest.mark.parametrize("workers", [0, 1, 2, 5])
def test_in_order_the_first_comes_first_however_long_it_takes(workers: int) -> None:
    def work(piece: str) -> str:
        time.sleep(0.02 if piece in "adg" else 0)
        return piece.upper()

    assert "".join(in_order(work, iter("abcdefghij"), workers, SLOW)) == "ABCDEFGHIJ"
    assert list(in_order(work, [], workers, SLOW)) == []


@pytest.mark.parametrize("fail", [failing, lambda text: time.sleep(5)])
def test_in_order_a_failed_try_is_made_again(fail: Any) -> None:
    work = Flaky({0: TRIES - 1, 5: 1, 9: 1}, fail)
    assert list(in_order(work, range(10), 3, 0.2)) == [-piece for piece in range(10)]
    with pytest.raises(GivenUpError) as caught:
        list(in_order(Flaky({14: 99}, fail), range(10, 20), 2, 0.2))
    assert caught.value.chunk == 4


def test_in_order_pieces_without_end_are_taken_as_they_are_needed() -> None:
    begun: list[int] = []

    def work(piece: int) -> int:
        begun.append(piece)
        # The first piece holds up all: what is done behind it must not pile up.
        time.sleep(0.3 if piece == 0 else 0)
        return piece

    results = in_order(work, itertools.count(), 2, SLOW)
    assert next(results) == 0
    assert len(begun) <= (AHEAD + 1) * 2 + 1
    assert [next(results) for _ in range(100)] == list(range(1, 101))
    time.sleep(0.1)
    assert len(begun) <= 101 + (AHEAD + 1) * 2
    results.close()  # type: ignore[attr-defined]


def test_an_error_of_the_pieces_is_raised() -> None:
    def pieces() -> Any:
        yield from (1, 2, 3)
        raise RuntimeError("no more")

    found = []
    with pytest.raises(RuntimeError, match="^no more$"):
        found += in_order(lambda piece: piece, pieces(), 2, SLOW)
    with pytest.raises(DataError, match="^not this$"):
        list(in_order(lambda piece: refused(), [1], 2, SLOW))


def refused() -> None:
    raise DataError("not this")

import os
import signal
import threading
import time

import pytest

from cvrun.stopping import NUMBERS, ending, exit_code, start


def test_exit_codes_are_those_of_the_fault_matrix():
    assert {signal.Signals(number).name: exit_code(number) for number in NUMBERS} == {
        "SIGINT": 130,
        "SIGTERM": 143,
        "SIGUSR1": 143,
    }


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_ends_the_block_in_good_order_and_handlers_come_back(number):
    before = [signal.getsignal(each) for each in NUMBERS]
    left = []
    with pytest.raises(SystemExit) as caught, ending():
        try:
            os.kill(os.getpid(), number)
        finally:
            left.append(True)
    assert caught.value.code == 143
    assert left == [True]
    assert [signal.getsignal(each) for each in NUMBERS] == before


def test_a_signal_that_comes_while_a_thread_starts_is_handled_after_it(monkeypatch):
    class Slow(threading.Thread):
        def start(self):
            signal.raise_signal(signal.SIGTERM)
            time.sleep(0.05)
            super().start()
            seen.append("started")

    seen: list[str] = []
    with pytest.raises(SystemExit) as caught, ending():
        start(Slow(target=lambda: seen.append("worked")))
    assert caught.value.code == 143
    assert sorted(seen) == ["started", "worked"]


def test_a_thread_can_be_started_by_another_one():
    seen: list[str] = []
    inner = threading.Thread(target=lambda: seen.append("worked"))
    outer = threading.Thread(target=lambda: start(inner))
    start(outer)
    outer.join()
    inner.join()
    assert seen == ["worked"]

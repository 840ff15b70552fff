import os
import signal

import pytest

from cvrun.stopping import NUMBERS, ending, exit_code


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

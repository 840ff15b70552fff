import os
import signal
import subprocess
import sys

import pytest

from cvrun.stopping import NUMBERS
from cvrun.trainer.signals import StopRequest, listening


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 143)])
def test_the_first_signal_is_a_request(number, code, capfd):
    stop = StopRequest()
    with listening(stop):
        assert not stop.requested
        os.kill(os.getpid(), number)
        assert stop.requested
    assert stop.exit_code == code
    assert stop.name == signal.Signals(number).name
    said = f"{stop.name}: stopping at the next step; once more to quit at once\n"
    assert capfd.readouterr() == ("", said)


def test_the_handlers_are_put_back():
    before = {number: signal.getsignal(number) for number in NUMBERS}
    stop = StopRequest()
    with pytest.raises(ZeroDivisionError), listening(stop):
        assert all(signal.getsignal(number) is stop for number in NUMBERS)
        raise ZeroDivisionError
    assert {number: signal.getsignal(number) for number in NUMBERS} == before


def test_the_second_signal_quits_at_once():
    code = (
        "import os, signal, time\n"
        "from cvrun.trainer.signals import StopRequest, listening\n"
        "with listening(StopRequest()):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print('still here', flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    print('too long', flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 130
    assert done.stdout == "still here\n"


def test_a_closed_standard_error_does_not_matter():
    code = (
        "import os, signal\n"
        "from cvrun.trainer.signals import StopRequest, listening\n"
        "os.close(2)\n"
        "stop = StopRequest()\n"
        "with listening(stop):\n"
        "    os.kill(os.getpid(), signal.SIGUSR1)\n"
        "print(stop.name, stop.exit_code)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "SIGUSR1 143\n")


def test_before_a_signal_there_is_no_request():
    stop = StopRequest()
    assert (stop.requested, stop.signal) == (False, None)


def test_a_quiet_one_takes_the_signal_without_a_word(capfd):
    stop = StopRequest(quiet=True)
    with listening(stop):
        os.kill(os.getpid(), signal.SIGTERM)
    assert stop.signal == signal.SIGTERM
    assert capfd.readouterr() == ("", "")


def test_there_may_be_another_reason_to_stop_than_a_signal():
    reasons = []
    stop = StopRequest(other=lambda: bool(reasons))
    assert not stop.requested
    reasons.append("a warning")
    assert stop.requested
    assert stop.signal is None

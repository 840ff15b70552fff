import os
import signal
import subprocess
import sys

import pytest

from cvrun.trainer.signals import StopRequest, listening


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_is_a_request(number, code):
    said = []
    stop = StopRequest(said.append)
    with listening(stop):
        assert not stop.requested
        os.kill(os.getpid(), number)
        assert stop.requested
    assert stop.exit_code == code
    assert said == [f"{signal.Signals(number).name}: stopping at the next step; once more to quit at once"]


def test_the_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with listening(StopRequest(print)):
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_the_second_signal_quits_at_once():
    code = (
        "import os, signal, time\n"
        "from cvrun.trainer.signals import StopRequest, listening\n"
        "with listening(StopRequest(lambda line: None)):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print('still here', flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    print('too long', flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 130
    assert done.stdout == "still here\n"

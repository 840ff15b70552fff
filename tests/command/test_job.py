"""How the end of a job is told."""

import signal

import pytest

from cvrun.command._job import Ending, attempt
from cvrun.errors import ConfigError, DivergedError, OutOfMemoryError


@pytest.mark.parametrize(
    ("error", "state", "code"),
    [
        (ConfigError("a=1: wrong"), "failed: a=1: wrong", 2),
        (OutOfMemoryError("too much", "less"), "failed: too much; less", 6),
        (DivergedError("nan"), "diverged: nan", 5),
        (KeyboardInterrupt(), "interrupted", 130),
        (SystemExit(128 + signal.SIGTERM), "interrupted", 143),
        (SystemExit(128 + signal.SIGABRT), "exited with code 134", 134),
        (SystemExit(3), "exited with code 3", 3),
        (SystemExit("no"), "exited with code 1", 1),
        # Not finished, whatever it says.
        (SystemExit(), "exited with code 0", 1),
        (ZeroDivisionError("a\nb"), "failed: internal error, ZeroDivisionError: a b", 1),
    ],
)
def test_every_error_is_an_ending_and_one_line(capsys, error, state, code):
    def work():
        raise error

    assert attempt(work) == Ending(state, code)
    err = capsys.readouterr().err
    assert err.startswith("cvrun train: ") and len(err.splitlines()) == 1
    assert state.removeprefix("failed: ").removeprefix("diverged: ") in err


@pytest.mark.parametrize(("first", "code"), [(KeyboardInterrupt(), 130), (SystemExit(143), 143)])
@pytest.mark.parametrize("then", [ConfigError("a file cannot be read"), RuntimeError("a file cannot be read")])
def test_a_signal_stays_one_when_what_it_interrupts_fails_over_it(first, code, then):
    def work():
        try:
            raise first
        finally:
            raise then

    assert attempt(work) == Ending("interrupted", code)

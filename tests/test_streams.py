"""Standard streams that are closed, full, or without a reader."""

import os
import subprocess
import sys

import pytest

from cvrun import streams


def python(code: str, redirection: str) -> subprocess.CompletedProcess:
    """Run a program in a shell with a redirection."""
    command = f'"$0" -c "$1" {redirection}'
    return subprocess.run(
        ["sh", "-c", command, sys.executable, code], capture_output=True, text=True, timeout=60, check=False
    )


def test_a_line_reaches_standard_error(capsys):
    assert streams.tell("a [b]")
    assert capsys.readouterr() == ("", "a [b]\n")


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-"])
def test_a_standard_error_that_takes_nothing_is_dropped_without_a_word(redirection):
    code = (
        "import sys; from cvrun import streams; streams.open_closed()\n"
        "print([streams.tell('x') for _ in range(3)]); sys.exit(5)"
    )
    done = python(code, redirection)
    assert (done.returncode, done.stdout) == (5, "[False, True, True]\n")


def test_closed_streams_are_not_taken_by_a_file():
    code = (
        "import os; from cvrun import streams; streams.open_closed()\n"
        "import sys; file = open('/dev/null'); print(file.fileno() > 2, sys.stdin.read() == '', file=sys.stderr)\n"
        "sys.exit(not all(os.get_inheritable(number) for number in (0, 1, 2)))"
    )
    done = python(code, "<&- >&-")
    assert (done.returncode, done.stderr) == (0, "True True\n")


def test_writing_to_a_closed_stream_is_an_error():
    code = (
        "import sys; from cvrun import streams; streams.open_closed()\n"
        "try:\n    print('x', flush=True)\nexcept OSError as error:\n    print(error, file=sys.stderr)\n"
        "streams.drop(sys.stdout)"
    )
    done = python(code, ">&-")
    assert (done.returncode, done.stderr) == (0, "[Errno 9] Bad file descriptor\n")


def test_a_pipe_without_a_reader_is_told_from_others():
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        assert not streams.without_reader(stream)
        os.close(reading)
        assert streams.without_reader(stream)
    with open("/dev/full", "w") as stream:
        assert not streams.without_reader(stream)


def test_a_stream_without_a_file_is_left_alone(capsys):
    assert not streams.without_reader(sys.stdout)
    streams.drop(sys.stdout)
    print("still there")
    assert capsys.readouterr().out == "still there\n"

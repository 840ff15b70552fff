import os
import subprocess
import sys

import pytest

from cvrun.command._output import say, show
from cvrun.errors import StorageError


def test_text_is_written(capsys):
    show("a\nb")
    assert capsys.readouterr().out == "a\nb"


def test_a_reader_that_has_gone_is_no_error():
    code = "import sys; from cvrun.command._output import show; [show('x' * 70000) for _ in range(3)]; sys.exit(7)"
    reader = subprocess.Popen(["true"], stdin=subprocess.PIPE)
    reader.wait(timeout=30)
    done = subprocess.run([sys.executable, "-c", code], stdout=reader.stdin, stderr=subprocess.PIPE, timeout=60)
    reader.stdin.close()
    assert done.returncode == 7
    assert done.stderr == b""


def test_bytes_are_written_as_they_are(capfdbinary):
    show(b"caf\xe9\n")
    assert capfdbinary.readouterr().out == b"caf\xe9\n"


@pytest.fixture
def full(monkeypatch):
    """Lets nothing be written to standard output."""
    with open("/dev/full", "w") as stream:
        # Not yet: pytest sets it anew when the test begins.
        yield lambda: monkeypatch.setattr(sys, "stdout", stream)


def test_a_result_that_is_kept_nowhere_is_an_error(full, capsys):
    full()
    with pytest.raises(StorageError, match=r"^standard output: cannot be written \(No space left on device\)$"):
        show("x")
    assert capsys.readouterr().err == ""


def test_a_result_that_is_kept_is_a_warning_once(full, capsys, tmp_path):
    full()
    show("x", kept=tmp_path)
    show("y", kept=tmp_path)
    warning = f"warning: standard output cannot be written (No space left on device); the result is in {tmp_path}"
    assert capsys.readouterr().err == f"{warning}\n"
    assert (tmp_path / "log.txt").read_text().partition(" ")[2] == f"{warning}\n"


def test_a_file_that_keeps_the_result_gets_no_log(full, capsys, tmp_path):
    full()
    (tmp_path / "p.csv").touch()
    show("x", kept=tmp_path / "p.csv")
    show("x", kept="the folders of the runs")
    assert capsys.readouterr().err.count("warning") == 1
    assert os.listdir(tmp_path) == ["p.csv"]


def test_a_message_is_one_line_without_control_characters(capsys):
    say("\x1b]0;title\x07 of a\nfile")
    assert capsys.readouterr().err == "\\x1b]0;title\\x07 of a\\nfile\n"

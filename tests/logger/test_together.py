"""All loggers behind one door: one that fails is left out."""

import pytest

from cvrun.errors import StorageError
from cvrun.logger._together import Loggers


class Noting:
    """Notes what it is told; fails at what it is made to fail at."""

    def __init__(self, *fails, error=RuntimeError):
        self.fails, self.error, self.told, self.lines, self.closed = fails, error, [], [], 0

    def _take(self, what):
        self.told.append(what)
        if what in self.fails:
            raise self.error("no more")

    def open(self, header):
        self._take("open")

    def advance(self, step):
        self._take("advance")

    def write(self, record):
        self._take("write")

    def say(self, text):
        self.lines.append(text)
        self._take("say")

    def close(self):
        self.closed += 1
        self._take("close")


def go(loggers, header):
    loggers.open(header())
    for step in range(1, 4):
        loggers.advance(step)
        loggers.write({"step": step})
    loggers.close()


def test_one_that_fails_is_dropped_with_one_line_and_the_rest_goes_on(header, tmp_path):
    truth, good = Noting(), Noting()
    for error in (RuntimeError, OSError, StorageError):
        for what in ("open", "advance", "write", "close"):
            truth, good, bad = Noting(), Noting(), Noting(what, error=error)
            go(Loggers(truth, [("bad", bad), ("good", good)], tmp_path / "log.txt"), header)
            assert truth.told.count("write") == good.told.count("write") == 3
            assert good.closed == truth.closed == 1
            lines = [line for line in good.lines if "bad" in line]
            assert lines == [f"logger bad failed and is left out from here on ({error.__name__}: no more)"]
            assert bad.told.count(what) == (2 if what == "close" else 1)
            assert bad.told[-1] == "close"


def test_two_that_fail_at_once_are_both_dropped(header, tmp_path):
    truth = Noting()
    one, two = Noting("write", "say"), Noting("write", "say")
    loggers = Loggers(truth, [("one", one), ("two", two)], tmp_path / "log.txt")
    go(loggers, header)
    assert truth.told.count("write") == 3
    assert loggers.others == []


def test_a_truth_that_fails_ends_the_run(header, tmp_path):
    loggers = Loggers(Noting("write", error=StorageError), [], tmp_path / "log.txt")
    loggers.open(header())
    with pytest.raises(StorageError):
        loggers.write({"step": 1})


def test_what_is_said_is_kept_with_its_time(tmp_path, capsys):
    loggers = Loggers(Noting(), [("console", Noting())], tmp_path / "log.txt")
    loggers.say("first")
    loggers.say("second")
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert [line.partition(" ")[2] for line in lines] == ["first", "second"]
    assert all(line[:2] == "20" and line.split()[0].endswith("Z") for line in lines)
    assert capsys.readouterr().err == ""


def test_without_a_console_it_goes_to_standard_error(tmp_path, capsys):
    Loggers(Noting(), [("csv", Noting())], tmp_path / "log.txt").say("a damaged checkpoint was passed over")
    assert capsys.readouterr().err == "a damaged checkpoint was passed over\n"


def test_a_log_that_cannot_be_written_ends_nothing(tmp_path):
    one = Noting()
    Loggers(Noting(), [("console", one)], tmp_path / "no" / "log.txt").say("still said")
    assert one.lines == ["still said"]

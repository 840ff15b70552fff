"""All loggers behind one door: one that fails is left out."""

import os
import time

import pytest

from cvrun.errors import StorageError
from cvrun.logger._queued import Queued
from cvrun.logger._together import Loggers, note


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
            go(Loggers(truth, [("bad", bad), ("good", good)], [], tmp_path / "log.txt"), header)
            assert truth.told.count("write") == good.told.count("write") == 3
            assert good.closed == truth.closed == 1
            lines = [line for line in good.lines if "bad" in line]
            assert lines == [f"logger bad failed and is left out from here on ({error.__name__}: no more)"]
            assert bad.told.count(what) == (2 if what == "close" else 1)
            assert bad.told[-1] == "close"


def test_two_that_fail_at_once_are_both_dropped(header, tmp_path):
    truth = Noting()
    one, two = Noting("write", "say"), Noting("write", "say")
    loggers = Loggers(truth, [("one", one), ("two", two)], [], tmp_path / "log.txt")
    go(loggers, header)
    assert truth.told.count("write") == 3
    assert loggers.others == []


def test_a_truth_that_fails_ends_the_run(header, tmp_path):
    loggers = Loggers(Noting("write", error=StorageError), [], [], tmp_path / "log.txt")
    loggers.open(header())
    with pytest.raises(StorageError):
        loggers.write({"step": 1})


def test_what_is_said_is_kept_with_its_time(tmp_path, capsys):
    loggers = Loggers(Noting(), [("console", Noting())], [], tmp_path / "log.txt")
    loggers.say("first")
    loggers.say("second")
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert [line.partition(" ")[2] for line in lines] == ["first", "second"]
    assert all(line[:2] == "20" and line.split()[0].endswith("Z") for line in lines)
    assert capsys.readouterr().err == ""


def test_without_a_console_it_goes_to_standard_error(tmp_path, capsys):
    Loggers(Noting(), [], [("csv", Queued(Noting()))], tmp_path / "log.txt").say("a damaged checkpoint was passed over")
    assert capsys.readouterr().err == "a damaged checkpoint was passed over\n"


def test_a_log_that_cannot_be_written_ends_nothing(tmp_path):
    one = Noting()
    loggers = Loggers(Noting(), [("console", one)], [], tmp_path / "no" / "log.txt")
    loggers.say("still said")
    loggers.say("and again")
    warning = f"warning: {tmp_path}/no/log.txt cannot be written (No such file or directory)"
    assert one.lines == ["still said", f"{warning}; what is said may be missing there", "and again"]


def test_those_behind_a_queue_are_told_the_same_but_for_each_step(header, tmp_path):
    direct, queued, truth = Noting(), Noting(), Noting()
    loggers = Loggers(truth, [("direct", direct)], [("queued", Queued(queued))], tmp_path / "log.txt")
    loggers.say("before it opens")
    go(loggers, header)
    assert direct.told == ["say", "open", *["advance", "write"] * 3, "close"]
    assert queued.told == ["open", "say", *["write"] * 3, "close"]
    assert queued.lines == ["before it opens"]


def test_one_behind_a_queue_that_fails_is_named_once(header, tmp_path):
    good, other = Noting(), Noting()
    queued = [("bad", Queued(Noting("open"))), ("other", Queued(other))]
    loggers = Loggers(Noting(), [("console", good)], queued, tmp_path / "log.txt")
    loggers.open(header())
    for step in range(5):
        loggers.write({"step": step})
        time.sleep(0.01)
    loggers.close()
    lines = ["logger bad failed and is left out from here on (RuntimeError: no more)"]
    assert good.lines == other.lines == lines
    assert other.told.count("write") == 5


def test_trouble_at_the_end_is_named_once(header, tmp_path):
    good = Noting()
    queued = [("bad", Queued(Noting("write"))), ("worse", Queued(Noting("close")))]
    loggers = Loggers(Noting(), [("console", good)], queued, tmp_path / "log.txt")
    loggers.open(header())
    loggers.write({"step": 1})
    loggers.close()
    assert good.lines == [
        "logger bad lost 1 (RuntimeError: no more) of the records; records.jsonl has all",
        "logger worse failed when it was closed (RuntimeError: no more)",
    ]


def test_names_from_data_cannot_steer_a_terminal(tmp_path):
    one = Noting()
    Loggers(Noting(), [("console", one)], [], tmp_path / "log.txt").say("class [red]\x1b[31m\nx \u202e")
    assert one.lines == ["class [red]\\x1b[31m\\nx \\u202e"]
    assert (tmp_path / "log.txt").read_bytes().endswith(b" class [red]\\x1b[31m\\nx \\u202e\n")


def test_a_standard_error_that_takes_nothing_is_said_on_the_other_stream_once(tmp_path, capfd, monkeypatch):
    with open("/dev/full", "w") as full:
        monkeypatch.setattr("sys.stderr", full)
        loggers = Loggers(Noting(), [("console", Noting("say", error=OSError))], [], tmp_path / "log.txt")
        loggers.say("first")
        loggers.say("second")
    out, _ = capfd.readouterr()
    assert out == "logger console failed and is left out from here on (OSError: no more)\n"
    assert len((tmp_path / "log.txt").read_text().splitlines()) == 3


def test_a_note_says_why_it_failed(tmp_path):
    assert note(tmp_path / "log.txt", "ok") == ""
    assert note(tmp_path, "ok") == os.strerror(21)


def test_sync_reaches_the_truth(tmp_path):
    class Synced(Noting):
        def sync(self):
            self.told.append("sync")

    truth = Synced()
    Loggers(truth, [], [], tmp_path / "log.txt").sync()
    assert truth.told == ["sync"]

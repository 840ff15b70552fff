"""Row 30: a tracker that raises, sleeps, hangs or dies holds up neither the run nor, for over 5 s, its end."""

import threading
import time

import kit
import pytest

from cvrun.logger import _queued, csv, tensorboard
from cvrun.logger._together import Loggers

TOLD = 1 + kit.STEPS + 1 + 1
"""Open, a record a step, the record of the best weights, close."""


class Tracker:
    """Does act(what) for each thing that it is told, and notes it."""

    def __init__(self, act):
        self.act, self.told = act, []

    def open(self, header):
        self._take("open")

    def write(self, record):
        self._take("write")

    def say(self, text):
        self._take("say")

    def close(self):
        self._take("close")

    def _take(self, what):
        self.act(what)
        self.told.append(what)


@pytest.fixture
def waits():
    """Gives an act that waits much longer than a test at one place; all that wait go on when the test is over."""
    event = threading.Event()
    yield lambda at: lambda what: event.wait(60) if what == at else None
    event.set()


@pytest.fixture
def train(call, words, whole, tmp_path, monkeypatch):
    """Train with trackers in place of csv and tensorboard; give what was said and the seconds that closing took."""

    def train(*acts):
        trackers = [Tracker(act) for act in acts]
        for module, tracker in zip((csv, tensorboard), trackers, strict=False):
            monkeypatch.setattr(module, "build", lambda config, folder, tracker=tracker: tracker)
        seconds = []
        real = Loggers.close

        def close(loggers):
            began = time.monotonic()
            real(loggers)
            seconds.append(time.monotonic() - began)

        monkeypatch.setattr(Loggers, "close", close)
        said = call(*words, f"logger=[console,{','.join(('csv', 'tensorboard')[: len(acts)])}]")
        assert said.code == 0, said.err
        folder = kit.run_folder(tmp_path)
        assert kit.records(folder) == kit.records(whole)
        assert kit.status(folder)["state"] == "finished"
        lines = [line for line in said.err.splitlines() if line.startswith("logger ")]
        log = (folder / "log.txt").read_text().splitlines() if lines else []
        texts = [line.partition(" ")[2] for line in log]
        assert [text for text in texts if not text.startswith("normalize: ")] == lines
        return lines, seconds[0], trackers

    return train


def raising(at, error=ConnectionError):
    def act(what):
        if what == at:
            raise error("no route to host")

    return act


@pytest.mark.parametrize(
    ("act", "line"),
    [
        (raising("open"), "failed and is left out from here on (ConnectionError: no route to host)"),
        (raising("write"), "failed 3 times in a row and is left out from here on (ConnectionError: no route to host)"),
        (raising("write", SystemExit), "failed and is left out from here on (SystemExit: no route to host)"),
        (raising("close"), "failed when it was closed (ConnectionError: no route to host)"),
    ],
)
def test_one_that_raises_or_dies_is_left_out_with_one_line(train, act, line):
    lines, seconds, _ = train(act)
    assert lines == [f"logger csv {line}"]
    assert seconds < 1


def test_one_that_is_slow_still_gets_everything(train):
    lines, seconds, (tracker,) = train(lambda what: time.sleep(0.2) if what == "write" else None)
    assert lines == []
    told = [what for what in tracker.told if what != "say"]
    assert told == ["open", *["write"] * (kit.STEPS + 1), "close"] and len(told) == TOLD
    # It has not held up the run: most of its ten times 0.2 s are left for the end.
    assert 1 < seconds < 3


@pytest.mark.parametrize("at", ["open", "write", "close"])
def test_one_that_hangs_is_left_behind(train, waits, monkeypatch, at):
    monkeypatch.setattr(_queued, "CLOSING", 0.3)
    lines, seconds, _ = train(waits(at))
    assert lines == ["logger csv did not come to its end in 0.3 s and is left behind"]
    assert 0.3 <= seconds < 1


def test_two_that_hang_hold_up_the_end_by_five_seconds_together(train, waits):
    lines, seconds, _ = train(waits("write"), waits("open"))
    assert lines == [
        f"logger {name} did not come to its end in 5 s and is left behind" for name in ("csv", "tensorboard")
    ]
    assert 4.9 <= seconds < 5.5


def test_a_killed_run_has_lost_no_record_and_the_others_follow(words, whole, tmp_path):
    words = (*words, "logger=[console,csv,tensorboard]")
    assert kit.run(words, tmp_path, faults="record.written@8=kill").code == 137
    folder = kit.run_folder(tmp_path)
    assert kit.records(folder) == kit.records(whole)[:8]
    assert kit.run(words, tmp_path).code == 0
    assert kit.records(folder) == kit.records(whole)
    rows = (folder / "records.csv").read_text().splitlines()
    assert len(rows) == 1 + kit.STEPS + 1
    assert scalars(folder, "train/loss") == [
        (row["step"], pytest.approx(row["train/loss"])) for row in kit.records(whole) if "train/loss" in row
    ]


def scalars(folder, tag) -> list[tuple[int, float]]:
    """What TensorBoard reads."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(tag)]

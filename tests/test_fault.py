import contextlib
import re
import signal
from pathlib import Path

import pytest

from cvrun import fault
from cvrun.errors import ConfigError

PACKAGE = Path(fault.__file__).parent


@pytest.fixture(autouse=True)
def disarmed():
    yield
    fault.arm("")


def test_a_point_does_nothing_unless_it_is_armed():
    for name in fault.POINTS:
        fault.point(name)


def test_it_fires_once_at_the_visit_that_was_asked_for():
    fault.arm("step.begin@3=raise,record.write=enospc")
    fault.point("step.begin")
    fault.point("step.begin")
    with pytest.raises(RuntimeError, match="fault at step.begin"):
        fault.point("step.begin")
    fault.point("step.begin")
    with pytest.raises(OSError, match="No space left"):
        fault.point("record.write")
    fault.point("record.write")


@pytest.mark.parametrize(("rank", "fires"), [("1", True), ("0", False), (None, False)])
def test_of_several_ranks_one_may_be_meant(monkeypatch, rank, fires):
    monkeypatch.delenv("RANK", raising=False)
    if rank is not None:
        monkeypatch.setenv("RANK", rank)
    fault.arm("step.begin@2#1=raise")
    fault.point("step.begin")
    with pytest.raises(RuntimeError) if fires else contextlib.nullcontext():
        fault.point("step.begin")


def test_two_faults_of_one_point_count_on_their_own():
    fault.arm("step.begin@1=oom,step.begin@2=exit:3")
    with pytest.raises(MemoryError):
        fault.point("step.begin")
    with pytest.raises(SystemExit) as caught:
        fault.point("step.begin")
    assert caught.value.code == 3


def test_a_signal_is_sent_to_this_process():
    seen = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
    try:
        fault.arm("step.begin=SIGUSR1")
        fault.point("step.begin")
        assert seen == [signal.SIGUSR1]
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("text", ["step.begn=kill", "step.begin", "step.begin@0=kill", "step.begin=explode", "=kill"])
def test_what_does_not_exist_is_refused(text):
    with pytest.raises(ConfigError, match="CVRUN_FAULT"):
        fault.arm(text)


def test_every_point_stands_in_the_code_and_every_call_names_a_point():
    found = set()
    for path in PACKAGE.rglob("*.py"):
        found |= set(re.findall(r'fault\.point\(\s*f?"([^"{]+)"', path.read_text()))
    assert found == set(fault.POINTS)


def test_visits_of_earlier_processes_count():
    fault.arm("job.begin@2=raise", {"job.begin": 1})
    with pytest.raises(RuntimeError):
        fault.point("job.begin")
    for visited in (0, 2, 3):
        fault.arm("job.begin@2=raise", {"job.begin": visited})
        fault.point("job.begin")

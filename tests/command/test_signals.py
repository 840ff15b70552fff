"""Real signals to a real process."""

import json
import signal

import pytest

pytestmark = pytest.mark.slow

QUICK = ("model.width=4", "trainer.epochs=3", "trainer.batch_size=300", "workers=0")

# Trains in the process; at step 5 it does what ACTION says.
PROGRAM = """
import os, signal, sys, time
from cvrun.cli import main
from cvrun.trainer import loop
real = loop.update
def update(run, state, batch):
    if state.step == 5:
        ACTION
    return real(run, state, batch)
loop.update = update
sys.exit(main(["train", *WORDS]))
"""
WAIT = "print('here', flush=True); time.sleep(20)"


def program(action: str) -> str:
    return PROGRAM.replace("ACTION", action).replace("WORDS", repr(QUICK))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_commits_and_resume_ends_as_an_uninterrupted_run(
    call, start, tools, finished_once, tmp_path, number, code
):
    process = start(program("print('here', flush=True); time.sleep(0.5)"))
    assert process.stdout.readline() == "here\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert "stopping at the next step" in err
    assert "Traceback" not in err
    (folder,) = tmp_path.glob("outputs/run/*")
    assert (tools.status(folder)["state"], tools.status(folder)["step"]) == ("interrupted", 6)
    assert call("resume", folder).code == 0
    assert tools.records(folder) == tools.records(finished_once)


def test_a_second_signal_quits_at_once(call, start, tools, finished_once, tmp_path):
    process = start(program(WAIT))
    assert process.stdout.readline() == "here\n"
    process.send_signal(signal.SIGINT)
    # The first one is taken when its line is out.
    assert any("once more to quit at once" in line for line in process.stderr)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 130
    (folder,) = tmp_path.glob("outputs/run/*")
    assert json.loads(call("runs", "--json").out)[0]["state"] == "interrupted"
    assert call("train", *QUICK).code == 0
    assert tools.records(folder) == tools.records(finished_once)


def test_a_killed_run_counts_as_interrupted_and_goes_on(call, start, tools, finished_once, tmp_path):
    # Commits are written beside training: the one of step 4 is to be there.
    process = start(program("run.saver.wait(); os.kill(os.getpid(), signal.SIGKILL)"))
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    (folder,) = tmp_path.glob("outputs/run/*")
    assert tools.status(folder)["state"] == "running"
    found = json.loads(call("runs", "--json").out)
    assert [(run["state"], run["step"]) for run in found] == [("interrupted", 4)]
    assert call("resume", folder).code == 0
    assert tools.records(folder) == tools.records(finished_once)


def test_a_run_that_trains_now_is_running_and_held(call, start, tmp_path):
    process = start(program(WAIT))
    assert process.stdout.readline() == "here\n"
    (folder,) = tmp_path.glob("outputs/run/*")
    assert json.loads(call("runs", "--json").out)[0]["state"] == "running"
    said = call("train", *QUICK)
    assert said.code == 2
    assert f"held by process {process.pid} on" in said.err


# A reader that goes away: what is written to a closed pipe must not stop the work or end in a traceback.
CLOSED = """
import os, sys
reader, writer = os.pipe()
os.close(reader)
os.dup2(writer, STREAM)
from cvrun.cli import main
code = main(WORDS)
open("code", "w").write(str(code))
sys.exit(code)
"""


@pytest.mark.parametrize("stream", [1, 2])
def test_training_survives_a_reader_that_goes_away(call, start, tmp_path, stream):
    process = start(CLOSED.replace("STREAM", str(stream)).replace("WORDS", repr(["train", *QUICK])))
    out, err = process.communicate(timeout=60)
    assert (tmp_path / "code").read_text() == "0"
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert "BrokenPipe" not in err
    assert json.loads(call("runs", "--json").out)[0]["state"] == "finished"
    assert stream == 1 or "val/accuracy" in out


@pytest.mark.parametrize("words", [["runs", "."], ["runs", ".", "--json"], ["options"], ["eval"], ["check", *QUICK]])
def test_commands_that_print_survive_it_too(start, finished, words):
    words = [*words, str(finished)] if words == ["eval"] else words
    process = start(CLOSED.replace("STREAM", "1").replace("WORDS", repr(words)))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in err
    assert "BrokenPipe" not in err

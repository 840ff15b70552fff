"""Row 1: kill -9 at any time: the same command goes on from the last commit, to the same bits and records."""

import random
import signal
import time

import kit
import pytest
import soak


@pytest.mark.parametrize("seed", range(5))
def test_a_run_that_is_killed_at_a_random_time_ends_the_same(words, whole, tmp_path, seed):
    child = kit.Child((*words, "trainer.save_every=1st"), tmp_path)
    child.wait_for(lambda: list(tmp_path.glob("outputs/f/*/records.jsonl")))
    time.sleep(random.Random(seed).uniform(0, 0.1))
    child.send(signal.SIGKILL)
    killed = child.wait().code
    again = kit.run((*words, "trainer.save_every=1st"), tmp_path)
    assert killed in (-signal.SIGKILL, 0)
    assert again.code == 0, again.err
    folder = kit.run_folder(tmp_path)
    assert kit.status(folder)["digest"] == kit.status(whole)["digest"]
    assert [row["step"] for row in kit.records(folder)] == [*range(1, kit.STEPS + 1), kit.STEPS]
    assert kit.records(folder) == kit.records(whole)


@pytest.mark.parametrize("step", [2, 5, 8])
def test_cvrun_resume_goes_on_from_the_last_commit(words, whole, tmp_path, step):
    saves = (*words, "trainer.save_every=2st")
    # The commit of the step before is on the disk, since the next one waits for it.
    assert kit.run(saves, tmp_path, f"step.begin@{step + 1}=kill").code == 137
    folder = kit.run_folder(tmp_path)
    assert kit.status(folder)["state"] == "running"
    assert kit.run(("runs",), tmp_path).out.split("─")[-1].split()[1] == "interrupted"
    said = kit.run(("resume", folder), tmp_path)
    assert said.code == 0, said.err
    assert kit.status(folder)["digest"] == kit.status(whole)["digest"]
    assert kit.records(folder) == kit.records(whole)


def test_a_run_with_everything_that_has_state_is_not_the_plain_run(whole, tmp_path):
    """What the property test compares is more than this file's run."""
    assert soak.Bench(tmp_path).whole["1ep"][0] != kit.status(whole)["digest"]

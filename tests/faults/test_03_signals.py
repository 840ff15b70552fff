"""Row 3: SIGINT, SIGTERM, SIGUSR1 at any time stop at a step boundary, resumable; a second one quits at once."""

import signal

import kit
import pytest

from cvrun.trainer import checkpoint

CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGUSR1": 143}

WHEN = (
    "start.planned",
    "start.held",
    "start.decoded",
    "decode.chunk",
    "step.begin@4",
    "step.updated@5",
    "evaluate.batch",
    "evaluate.done@2",
    "record.write@3",
    "checkpoint.mid_write@2",
    "checkpoint.before_rename",
    "finish.begin",
)


@pytest.mark.parametrize("when", WHEN)
def test_a_signal_at_any_time_leaves_a_run_that_ends_the_same(words, whole, tmp_path, when):
    name = list(CODES)[WHEN.index(when) % 3]
    said = kit.run(words, tmp_path, f"{when}={name}")
    assert said.code == CODES[name], said.err
    assert "Traceback" not in said.err
    folders = list(tmp_path.glob("outputs/f/*/status.json"))
    if when not in ("start.planned", "start.held"):
        assert kit.status(folders[0].parent)["state"] == "interrupted"
        assert kit.status(folders[0].parent)["resumable"] is True
    again = kit.run(words, tmp_path)
    assert again.code == 0, again.err
    folder = kit.run_folder(tmp_path)
    assert kit.status(folder)["digest"] == kit.status(whole)["digest"]
    assert kit.records(folder) == kit.records(whole)


@pytest.mark.parametrize("when", ["step.begin@5", "evaluate.batch@2", "checkpoint.before_manifest@2"])
def test_a_second_signal_quits_at_once_and_leaves_the_last_commit(words, whole, tmp_path, when):
    child = kit.Child((*words, "trainer.save_every=1st"), tmp_path, f"{when}=SIGTERM,{when}=hang:60")
    child.wait_for(lambda: "once more to quit at once" in child.err())
    kept = {}
    for path in tmp_path.glob("outputs/f/*/checkpoints/*/state.pt"):
        kept[path] = path.read_bytes()
    child.send(signal.SIGINT)
    assert child.wait(5).code == 130
    for path in checkpoint.commits(kit.run_folder(tmp_path) / "checkpoints", "step"):
        checkpoint.read(path)
    assert all(path.read_bytes() == data for path, data in kept.items() if path.exists())
    assert kit.run((*words, "trainer.save_every=1st"), tmp_path).code == 0
    assert kit.status(kit.run_folder(tmp_path))["digest"] == kit.status(whole)["digest"]


def test_a_signal_before_anything_is_imported_is_an_end_in_good_order(words, tmp_path):
    child = kit.Child(words, tmp_path, "start.planned=hang:60")
    child.wait_for(lambda: child.process.is_alive())
    child.send(signal.SIGUSR1)
    # Either cvrun has it (143), or Python had not got as far.
    assert child.wait(10).code in (143, -signal.SIGUSR1)
    assert not list(tmp_path.glob("outputs/f/*/spec.yaml"))

"""Row 26: another number of processes: the same steps, one writer, one end; a run goes on in any world.

A step is a pure function of (seed, step), and the global batch is frozen: the ranks share it out among themselves.
"""

import dataclasses
import itertools
import re
import signal
import subprocess
import sys

import kit
import numpy as np
import pytest
import torch

from cvrun import config
from cvrun.build import build_loggers, build_run
from cvrun.prepare import prepare
from cvrun.trainer import checkpoint
from cvrun.trainer.cost import Cost

EXACT = ("model.drop_rate=0.0", "trainer.sync_batch_norm=true", "augment=none", "trainer.batch_size=7")
"""No number differs between ranks but by rounding: dropout draws for each rank, BatchNorm looks at all images."""


@pytest.fixture(scope="module")
def exact(words, tmp_path_factory):
    """The words of such a run, and its folder when one process has made it."""
    cwd = tmp_path_factory.mktemp("alone")
    said = kit.run([*words, *EXACT], cwd)
    assert said.code == 0, said.err
    return [*words, *EXACT], kit.run_folder(cwd)


def require_same_run(folder, alone):
    """Records, metrics and predictions are those of one process, up to rounding; nothing is there twice."""
    mine, theirs = kit.records(folder), kit.records(alone)
    assert [(row["step"], sorted(row)) for row in mine] == [(row["step"], sorted(row)) for row in theirs]
    for row, expected in zip(mine, theirs, strict=True):
        assert row == pytest.approx(expected, rel=1e-3, abs=1e-5)
    with np.load(folder / "predictions" / "val.npz") as a, np.load(alone / "predictions" / "val.npz") as b:
        assert a["ids"].tolist() == b["ids"].tolist() and a["targets"].tolist() == b["targets"].tolist()
        np.testing.assert_allclose(a["probabilities"], b["probabilities"], rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_a_run_of_two_goes_on_alone(exact, tmp_path):
    words, alone = exact
    said = kit.run([*words, "devices=2"], tmp_path, env={"CVRUN_FAULT": "checkpoint.before_prune@2#0=kill"})
    assert said.code == 137, said.err
    folder = kit.run_folder(tmp_path)
    assert len(list(folder.glob("checkpoints/step-*"))) >= 1
    said = kit.run(["resume", folder, "devices=1"], tmp_path)
    assert said.code == 0, said.err
    assert "devices 2 -> 1" in said.err
    require_same_run(folder, alone)


@pytest.mark.slow
def test_a_run_of_one_goes_on_as_two_that_torchrun_starts(exact, tmp_path):
    words, alone = exact
    assert kit.run(words, tmp_path, "checkpoint.before_prune@1=kill").code == 137
    folder = kit.run_folder(tmp_path)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "cvrun"]
    given = {"cwd": tmp_path, "capture_output": True, "text": True, "timeout": 120}
    done = subprocess.run([*torchrun, "resume", folder], **given)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("devices 1 -> 2") == done.stdout.count("finished (all") == 1
    require_same_run(folder, alone)


@pytest.mark.slow
def test_a_signal_to_the_launcher_stops_all_at_one_step(words, tmp_path):
    child = kit.Child([*words, "devices=2"], tmp_path, env={"CVRUN_FAULT": "step.begin@5#1=hang:3"})
    child.wait_for(lambda: any('"step": 4' in path.read_text() for path in tmp_path.glob("outputs/f/*/records.jsonl")))
    child.send(signal.SIGTERM, group=True)
    said = child.wait()
    assert said.code == 143, said.err
    folder = kit.run_folder(tmp_path)
    status = kit.status(folder)
    assert status["state"] == "interrupted" and status["step"] in (5, 6, 7)
    assert said.err.count("stopped by SIGTERM after step") == 1
    path, content = checkpoint.newest(folder / "checkpoints", "step", pytest.fail)
    assert checkpoint.step_of(path) == content["state"]["step"] == status["step"]
    # Of the evaluation after step 3, and of the end.
    assert len(list(folder.glob("checkpoints/step-*"))) == 2


@pytest.mark.slow
def test_one_that_fails_ends_all_with_its_words_and_code(words, tmp_path):
    said = kit.run([*words, "devices=2"], tmp_path, env={"CVRUN_FAULT": "step.begin@5#1=oom"})
    assert said.code == 6
    lines = [line for line in said.err.splitlines() if line.startswith("cvrun train")]
    assert len(lines) == 1 and lines[0].startswith("cvrun train: out of memory on cpu with trainer.batch_size=8")
    status = kit.status(kit.run_folder(tmp_path))
    assert (status["state"], status["step"], status["resumable"]) == ("failed", 3, True)
    assert status["reason"] in lines[0]


@pytest.mark.parametrize("size", ["2", "8"])
def test_a_command_that_does_not_train_is_for_one_process(words, call, tmp_path, monkeypatch, size):
    monkeypatch.setenv("WORLD_SIZE", size)
    monkeypatch.setenv("RANK", "1")
    said = call("check", *words[1:])
    assert said.code == 2
    assert said.err == f"cvrun check: WORLD_SIZE={size}: expected one process; start it without torchrun\n"
    assert not (tmp_path / "outputs").exists()


def test_a_world_of_one_is_no_world(words, whole, tmp_path):
    said = kit.run(words, tmp_path, env={"WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0"})
    assert said.code == 0, said.err
    assert kit.status(kit.run_folder(tmp_path))["digest"] == kit.status(whole)["digest"]


def test_the_number_of_processes_is_said_once(run, words, tmp_path):
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    for command in (["resume", run], words):
        said = kit.run([*command, "devices=3"], tmp_path, env={"WORLD_SIZE": "2", "RANK": "0"})
        assert said.code == 2
        assert re.search("devices=3: expected 2, as many as processes were started", said.err)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_the_global_batch_is_frozen(run, whole, tmp_path):
    for size in (4, 16):
        said = kit.run(["resume", run, f"trainer.batch_size={size}"], tmp_path)
        assert said.code == 2
        assert f"trainer.batch_size={size}: trainer.batch_size is frozen" in said.err
    assert kit.run(["resume", run], tmp_path).code == 0
    assert kit.status(run)["digest"] == kit.status(whole)["digest"]


def test_the_ranks_have_the_images_of_each_step(words, tmp_path):
    spec = config.compose([*words[1:], f"output_root={tmp_path}"])
    prepared = prepare(spec)
    prepared.plan.folder.path.mkdir(parents=True, exist_ok=True)
    recorder = build_loggers(prepared.plan)
    try:
        run, _ = build_run(prepared, recorder, None, None, Cost())
    finally:
        recorder.close()
    for world in (2, 3):
        shares = [dataclasses.replace(run.train_batches, rank=rank, world=world)(2) for rank in range(world)]
        for whole, *parts in itertools.islice(zip(run.train_batches(2), *shares, strict=True), 4):
            # Augmented as in one process: the numbers are drawn for the image, wherever it is.
            images = {int(at): image for part in parts for at, image in zip(part.index, part.image, strict=True)}
            assert sorted(images) == sorted(whole.index.tolist())
            for at, image in zip(whole.index.tolist(), whole.image, strict=True):
                torch.testing.assert_close(images[at], image, rtol=0, atol=0)

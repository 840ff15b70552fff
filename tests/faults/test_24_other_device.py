"""Row 24: resumed on another device: tensors come to the CPU first; it is said that data are the same, not the bits."""

from pathlib import Path

import kit
import pytest
import torch
from foreign import change

from cvrun.trainer import checkpoint

SAID = "same data, order and augmentation, but not the same bits"


def elsewhere(run: Path, **environment: str) -> None:
    """Let all states be of another machine."""
    for path in checkpoint.commits(run / "checkpoints", "step"):
        change(path, lambda content: content["meta"]["environment"].update(environment))


def said_once(said, run: Path, *parts: str) -> None:
    (line,) = (line for line in said.err.splitlines() if "not the same bits" in line)
    assert line.startswith("resumed on another machine or software (") and line.endswith(SAID)
    assert all(part in line for part in parts)
    assert line in (run / "log.txt").read_text()


def test_a_run_of_a_gpu_goes_on_here(run, whole, tmp_path):
    elsewhere(run, device="cuda:0 NVIDIA H100 80GB HBM3 AVX2", threads="16")
    said = kit.run(["resume", run], tmp_path)
    assert said.code == 0, said.err
    said_once(said, run, "device cuda:0 NVIDIA H100 80GB HBM3 AVX2 -> cpu ", "threads 16 -> 1")
    # It was forged: in truth the bits are those of this machine.
    assert kit.records(run) == kit.records(whole)
    assert kit.status(run)["digest"] == kit.status(whole)["digest"]
    # From now on it is a run of this machine.
    assert "device" not in said_again(run, tmp_path)


def said_again(run: Path, cwd: Path) -> str:
    again = kit.run(["resume", run, "trainer.epochs=4"], cwd)
    assert again.code == 0, again.err
    return "".join(line for line in again.err.splitlines() if "not the same bits" in line)


@pytest.mark.parametrize(
    ("key", "part"),
    [("threads=2", "threads 1 -> 2"), ("deterministic=true", "deterministic False -> True")],
)
def test_other_threads_or_kernels_are_said_too(run, whole, tmp_path, key, part):
    said = kit.run(["resume", run, key], tmp_path)
    assert said.code == 0, said.err
    said_once(said, run, part)
    mine, theirs = kit.records(run), kit.records(whole)
    assert [row["step"] for row in mine] == [row["step"] for row in theirs]
    losses = [[row["train/loss"] for row in rows if "train/loss" in row] for rows in (mine, theirs)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_another_version_of_torch_is_said(run, tmp_path):
    elsewhere(run, torch="2.13.0+cpu")
    said_once(kit.run(["resume", run], tmp_path), run, f"torch 2.13.0+cpu -> {torch.__version__}")


def test_an_environment_that_says_nothing_is_another(run, tmp_path):
    for path in checkpoint.commits(run / "checkpoints", "step"):
        change(path, lambda content: content["meta"].update(environment={}))
    said_once(kit.run(["resume", run], tmp_path), run, "threads None -> 1")


def test_the_same_machine_is_not_mentioned(run, tmp_path):
    assert "another machine" not in kit.run(["resume", run], tmp_path).err


def test_tensors_of_a_gpu_come_to_the_cpu_first(run, whole, call, monkeypatch):
    with monkeypatch.context() as forging:
        forging.setattr(torch.serialization, "location_tag", lambda storage: "cuda:7")
        elsewhere(run, device="cuda:7 NVIDIA H100 80GB HBM3 AVX512")
    state = run / "checkpoints" / "step-00000006" / "state.pt"
    # No machine of the tests has eight of them.
    with pytest.raises(RuntimeError, match="CUDA"):
        torch.load(state, weights_only=True)
    assert checkpoint.read(state.parent)["state"]["model"]["head.weight"].device.type == "cpu"
    said = call("resume", run)
    assert said.code == 0, said.err
    assert kit.status(run)["digest"] == kit.status(whole)["digest"]


def test_precision_stays_that_of_the_start(words, tmp_path):
    """`auto` would choose another one on another device."""
    assert kit.run([*words, "trainer.precision=auto"], tmp_path, "checkpoint.before_prune@1=kill").code == 137
    run = kit.run_folder(tmp_path)
    plan = run / "plan.yaml"
    assert "precision: fp32" in plan.read_text()
    plan.write_text(plan.read_text().replace("precision: fp32", "precision: bf16"))
    said = kit.run(["resume", run], tmp_path)
    assert said.code == 0, said.err
    assert ", bf16 (as at the start), seed 0" in said.err

"""Row 14: out of memory: exit 6 with batch, size and a hint; the run goes on with more parts only when told so."""

import json

import kit
import pytest
import torch

from cvrun.trainer import loop


@pytest.fixture
def no_memory(monkeypatch):
    """Raises an error in place of the update after three steps."""

    def no_memory(error):
        real = loop.update

        def update(run, state, batch):
            if state.step == 3:
                raise error
            return real(run, state, batch)

        monkeypatch.setattr(loop, "update", update)

    return no_memory


ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_it_ends_with_what_to_do_about_it(words, call, tmp_path, no_memory, error):
    no_memory(error)
    said = call(*words)
    assert said.code == 6
    last = said.err.splitlines()[-1]
    assert "out of memory on cpu with trainer.batch_size=8, images of 20 pixels" in last
    assert "raise trainer.accumulate, or lower trainer.batch_size or data.size" in last
    status = kit.status(kit.run_folder(tmp_path))
    assert (status["state"], status["resumable"], status["step"]) == ("failed", True, 3)
    assert "out of memory" in status["reason"]


def test_other_errors_of_torch_stay_what_they_are(words, call, no_memory):
    no_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    said = call(*words)
    assert said.code == 1 and "internal error, RuntimeError: mat1 and mat2" in said.err


@pytest.mark.parametrize("point", ["step.begin@4", "checkpoint.copied"])
def test_it_goes_on_with_more_parts_and_that_is_kept(words, whole, tmp_path, point):
    """In the second case it is the thread that writes the commit."""
    said = kit.run(words, tmp_path, f"{point}=oom")
    assert said.code == 6
    folder = kit.run_folder(tmp_path)
    if point == "checkpoint.copied":
        assert list((folder / "checkpoints").glob("step-*")) == []
        assert kit.run(words, tmp_path).code == 0
        assert kit.status(folder)["digest"] == kit.status(whole)["digest"]
        return
    resumed = kit.run(["resume", folder, "trainer.accumulate=2"], tmp_path)
    assert resumed.code == 0, resumed.err
    assert "going on from step 3" in resumed.err and "trainer.accumulate 1 -> 2" in resumed.err
    (row,) = (json.loads(line) for line in (folder / "changes.jsonl").read_text().splitlines())
    assert (row["step"], row["changes"]) == (3, {"trainer.accumulate": [1, 2]})
    mine, theirs = kit.records(folder), kit.records(whole)
    assert [row["step"] for row in mine] == [row["step"] for row in theirs]
    # What came before is the same to the last bit; afterwards batch norm sees halves, so it is not.
    assert mine[:3] == theirs[:3] and mine[3] != theirs[3]
    # The same images in the same order: the first loss after the change differs by batch norm alone.
    assert mine[3]["train/loss"] == pytest.approx(theirs[3]["train/loss"], rel=0.25)


def test_without_a_word_nothing_is_changed(words, whole, tmp_path):
    assert kit.run(words, tmp_path, "step.begin@4=oom").code == 6
    folder = kit.run_folder(tmp_path)
    assert kit.run(["resume", folder], tmp_path).code == 0
    assert kit.status(folder)["digest"] == kit.status(whole)["digest"]
    assert not (folder / "changes.jsonl").exists()

"""Row 26: one process today: a world of two is refused before anything is written; a step is the same on any rank.

Several devices come with an issue of their own. What they will rest on holds already: the order is a pure function of
(seed, step), and the global batch is frozen.
"""

import itertools

import kit
import pytest
import torch

from cvrun import config
from cvrun.build import build_loggers, build_run
from cvrun.prepare import prepare


@pytest.mark.parametrize("command", ["train", "check"])
@pytest.mark.parametrize("size", ["2", "8"])
def test_a_launcher_of_several_is_refused(words, call, tmp_path, monkeypatch, command, size):
    monkeypatch.setenv("WORLD_SIZE", size)
    monkeypatch.setenv("RANK", "1")
    said = call(command, *words[1:])
    assert said.code == 2
    assert said.err == f"cvrun {command}: WORLD_SIZE={size}: expected one process; start it without torchrun\n"
    assert not (tmp_path / "outputs").exists()


def test_a_world_of_one_is_no_world(words, whole, tmp_path):
    said = kit.run(words, tmp_path, env={"WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0"})
    assert said.code == 0, said.err
    assert kit.status(kit.run_folder(tmp_path))["digest"] == kit.status(whole)["digest"]


def test_a_run_cannot_go_on_in_another_world(words, whole, tmp_path):
    assert kit.run(words, tmp_path, "checkpoint.before_prune@2=kill").code == 137
    folder = kit.run_folder(tmp_path)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    said = kit.run(["resume", folder], tmp_path, env={"WORLD_SIZE": "2", "RANK": "0"})
    assert said.code == 2 and "WORLD_SIZE=2: expected one process" in said.err
    for size in (4, 16):
        said = kit.run(["resume", folder, f"trainer.batch_size={size}"], tmp_path)
        assert said.code == 2
        assert f"trainer.batch_size={size}: trainer.batch_size is frozen" in said.err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert kit.run(["resume", folder], tmp_path).code == 0
    assert kit.status(folder)["digest"] == kit.status(whole)["digest"]


def batches(words, root, start: int):
    spec = config.compose([*words[1:], f"output_root={root}"])
    prepared = prepare(spec)
    prepared.plan.folder.path.mkdir(parents=True, exist_ok=True)
    recorder = build_loggers(prepared.plan)
    try:
        run, _ = build_run(prepared, recorder, None, None, lambda: 0.0)
        return [(batch.index, batch.image) for batch in itertools.islice(run.train_batches(start), 2)]
    finally:
        recorder.close()


def test_a_step_has_the_same_images_on_any_rank_and_from_any_start(words, tmp_path, monkeypatch):
    found = []
    for rank in ("0", "1", "5"):
        monkeypatch.setenv("RANK", rank)
        monkeypatch.setenv("LOCAL_RANK", rank)
        found.append(batches(words, tmp_path / rank, 4))
    # One step further, its first batch is the second one of the others.
    found.append([found[0][0], *batches(words, tmp_path / "later", 5)[:1]])
    for other in found[1:]:
        for (rows, image), (their_rows, their_image) in zip(found[0], other, strict=True):
            assert torch.equal(rows, their_rows) and torch.equal(image, their_image)
    assert not torch.equal(found[0][0][0], found[0][1][0])

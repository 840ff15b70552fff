"""Row 13: NaN or Inf: exit 5 before the weights change, no commit, no best; step, rate and images in diverged.json."""

import csv
import json
import math

import kit
import pytest
import torch

from cvrun.metric import accuracy
from cvrun.rng import generator
from cvrun.trainer import checkpoint, loop
from cvrun.trainer.digest import digest


@pytest.fixture
def poison(monkeypatch):
    """Makes an update not finite; keeps the states before each update, by step."""

    class Poison:
        steps: tuple[int, ...] = ()
        where, value = "loss", math.nan
        states, weights, taken = {}, {}, []

    found, real = Poison(), loop.update

    def update(run, state, batch):
        found.state = state
        found.states[state.step] = digest(trained(state))
        found.weights[state.step] = digest(
            [dict(state.model.named_parameters()), state.optimizer.state_dict()["state"]]
        )
        if state.step not in found.steps:
            return real(run, state, batch)
        found.taken.append(state.step)
        if found.where == "loss":
            batch.image[-1] = found.value
            return real(run, state, batch)
        # The loss and all other gradients stay finite.
        hook = next(state.model.parameters()).register_hook(lambda gradient: gradient * found.value)
        try:
            return real(run, state, batch)
        finally:
            hook.remove()

    found.states, found.weights, found.taken = {}, {}, []
    monkeypatch.setattr(loop, "update", update)
    return found


def trained(state):
    """What an update changes; the running means of batch norms belong to the forward pass."""
    weights = dict(state.model.named_parameters())
    return [weights, state.optimizer.state_dict(), state.scaler.state_dict(), state.ema.state_dict(), state.step]


def images_of(folder, step: int) -> list[str]:
    """The images of a step: the sampler's permutation of the training part in data.csv, cut into batches of 8."""
    rows = list(csv.DictReader((folder / "data.csv").read_text().splitlines()))
    train = [row["id"] for row in rows if row["part"] == "train"]
    order = torch.randperm(28, generator=generator(0, "shuffle", step // 3)).tolist()
    return [train[row] for row in order[step % 3 * 8 : step % 3 * 8 + 8]]


def commits(folder, kind="step") -> list[int]:
    return [checkpoint.step_of(path) for path in checkpoint.commits(folder / "checkpoints", kind)]


def strict(text: str):
    def refuse(word):
        raise AssertionError(word)

    return json.loads(text, parse_constant=refuse)


def all_finite(value) -> bool:
    if isinstance(value, dict | list | tuple):
        return all(map(all_finite, value.values() if isinstance(value, dict) else value))
    if isinstance(value, torch.Tensor):
        return bool(torch.isfinite(value).all())
    return not isinstance(value, float) or math.isfinite(value)


@pytest.mark.parametrize("more", [(), ("trainer.accumulate=3", "optimizer.momentum=0.9", "trainer.ema_decay=0.9")])
@pytest.mark.parametrize(
    ("where", "value"), [("loss", math.nan), ("loss", math.inf), ("gradient", math.nan), ("gradient", math.inf)]
)
def test_the_run_ends_before_the_step(words, call, tmp_path, poison, where, value, more):
    poison.steps, poison.where, poison.value = (7,), where, value
    said = call(*words, *more, "trainer.save_every=1st")
    assert said.code == 5
    message = "train/loss=nan" if where == "loss" else "a gradient is not finite"
    last = said.err.splitlines()[-1]
    assert f"{message} in the update after step 7 (lr 0.004768), expected finite numbers" in last
    assert "its 8 images are in diverged.json; lower optimizer.lr" in last
    # After six updates and a seventh the weights were these; the eighth left no trace.
    assert digest(trained(poison.state)) == poison.states[7] != poison.states[6]
    folder = kit.run_folder(tmp_path)
    assert commits(folder) == [7, 6]
    for kind in ("step", "best"):
        for path in checkpoint.commits(folder / "checkpoints", kind):
            content = checkpoint.read(path)
            assert all_finite(content.get("state") or content["model"])
    rows = [strict(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6, 7]
    assert all(number is not None for row in rows for number in row.values())
    found = strict((folder / "diverged.json").read_text())
    assert (found["step"], found["found"], found["images"]) == (7, message, images_of(folder, 7))
    # scheduler=cosine of optimizer=sgd: from 0.1 to a hundredth of it at the last of nine steps.
    assert found["lr"] == pytest.approx(0.1 * (0.01 + 0.99 * (1 + math.cos(math.pi * 7 / 8)) / 2), rel=1e-9)
    status = kit.status(folder)
    assert (status["state"], status["step"], status["resumable"]) == ("diverged", 7, False)
    assert status["reason"] in last


def test_at_the_first_step_nothing_is_committed(words, call, tmp_path, poison):
    poison.steps = (0,)
    assert call(*words, "trainer.save_every=1st").code == 5
    folder = kit.run_folder(tmp_path)
    assert commits(folder) == commits(folder, "best") == []
    assert strict((folder / "diverged.json").read_text())["images"] == images_of(folder, 0)


def test_best_weights_are_not_those_that_follow(words, call, tmp_path, poison):
    """The bad step is the one before an evaluation, which would judge its weights."""
    poison.steps = (5,)
    assert call(*words).code == 5
    folder = kit.run_folder(tmp_path)
    assert (commits(folder), commits(folder, "best")) == ([3], [3])


def test_a_glitch_that_does_not_come_again_costs_no_bits(words, whole, call, tmp_path, poison):
    poison.steps = (7,)
    assert call(*words).code == 5
    poison.steps = ()
    assert call(*words).code == 0
    folder = kit.run_folder(tmp_path)
    assert kit.records(folder) == kit.records(whole)
    assert kit.status(folder)["digest"] == kit.status(whole)["digest"]


@pytest.mark.parametrize("first", [True, False])
def test_a_score_that_is_nan_never_wins(words, call, tmp_path, monkeypatch, first):
    seen, real = [], accuracy.values

    def values(prediction, weights):
        seen.append(1)
        found = real(prediction, weights)
        return found * math.nan if first or len(seen) > 1 else found

    monkeypatch.setattr(accuracy, "values", values)
    said = call(*words)
    step = 3 if first else 6
    assert said.code == 5 and f"val/accuracy=nan at step {step}" in said.err
    folder = kit.run_folder(tmp_path)
    assert commits(folder) == commits(folder, "best") == ([] if first else [3])
    rows = [strict(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    assert rows[-1]["val/accuracy"] is None


HALF = ("trainer.precision=fp16", "trainer.epochs=7", "trainer.save_every=1st", "optimizer.lr=0.01")


def test_steps_that_overflow_in_fp16_are_left_out(words, call, tmp_path, poison):
    """As long as a smaller scale may help: 65,536 is halved each time. Half of the steps are good."""
    poison.steps, poison.where, poison.value = (0, 1, 5, 6, 7, 10), "gradient", math.inf
    said = call(*words, *HALF)
    assert said.code == 0, said.err
    assert poison.taken == list(poison.steps)
    folder = kit.run_folder(tmp_path)
    assert kit.status(folder)["step"] == 21 and not (folder / "diverged.json").exists()
    assert poison.state.scaler.get_scale() == 65536 / 2**6
    rows = [row for row in kit.records(folder) if "train/loss" in row]
    assert [row["step"] for row in rows] == list(range(1, 22))
    assert all(math.isfinite(row["train/loss"]) for row in rows)
    weights = poison.weights
    unchanged = [step for step in range(20) if weights[step] == weights[step + 1]]
    assert unchanged == list(poison.steps)
    newest = checkpoint.read(checkpoint.commits(folder / "checkpoints", "step")[0])
    assert all_finite(newest["state"]["model"])


def test_a_bad_image_ruins_batch_norms_in_fp16_though_the_step_is_left_out(words, call, tmp_path, poison):
    poison.steps = (4,)
    said = call(*words, *HALF)
    assert said.code == 5
    assert "a weight is not finite in the update after step 4 " in said.err
    folder = kit.run_folder(tmp_path)
    assert (commits(folder), commits(folder, "best")) == ([4, 3], [3])
    assert strict((folder / "diverged.json").read_text())["images"] == images_of(folder, 4)


def test_overflow_however_small_the_scale_is_divergence(words, call, tmp_path, poison):
    poison.steps, poison.where, poison.value = tuple(range(21)), "gradient", math.inf
    said = call(*words, *HALF)
    assert said.code == 5
    # 65,536 = 2^16: the 17th overflow takes the scale below 1.
    assert poison.taken == list(range(17))
    assert "the loss scale is 0.5 in the update after step 16 " in said.err
    folder = kit.run_folder(tmp_path)
    assert commits(folder)[0] == 16
    assert strict((folder / "diverged.json").read_text())["images"] == images_of(folder, 16)
    weights = checkpoint.read(checkpoint.commits(folder / "checkpoints", "step")[0])["state"]["model"]
    assert all_finite(weights)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_weights_that_overflow_in_the_update_are_not_committed(call, tmp_path, optimizer):
    """Loss and gradients of the step are finite; the step is not."""
    words = ("model.width=4", "trainer.epochs=3", "trainer.batch_size=300", "workers=0", "trainer.save_every=1st")
    said = call("train", *words, f"optimizer={optimizer}", "optimizer.lr=1e39", "name=f")
    assert said.code == 5, said.err
    assert not list(tmp_path.glob("outputs/f/*/checkpoints/step-*"))

import math

import pytest
import torch

from cvrun.errors import DivergedError
from cvrun.trainer import checkpoint
from cvrun.trainer.loop import restore, train


def test_it_evaluates_logs_and_saves_when_the_plan_says_so(start, records):
    run, state = start("trainer.eval_every=3st", "trainer.log_every=2st", "trainer.save_every=1st")
    assert train(run, state)
    rows = records(run)
    # 1,437 training images make four steps of 300 an epoch; the last step has an evaluation in any case.
    assert [row["step"] for row in rows] == [2, 3, 4, 6, 8]
    assert [row["step"] for row in rows if "val/accuracy" in row] == [3, 6, 8]
    assert [row["epoch"] for row in rows] == [0.5, 0.75, 1.0, 1.5, 2.0]
    assert all("train/loss" in row for row in rows)
    assert [path.name for path in checkpoint.commits(run.folder.checkpoints, "step")] == [
        "step-00000008",
        "step-00000007",
    ]


def test_the_recorded_rate_is_that_of_the_last_update(start, records):
    run, state = start("trainer.log_every=1st", "optimizer.lr=0.5", "scheduler.warmup=4st", "scheduler.warmup_start=0")
    train(run, state)
    rates = [row["train/lr"] for row in records(run)]
    assert rates[:5] == pytest.approx([0.0, 0.125, 0.25, 0.375, 0.5])
    assert rates[-1] == min(rates[4:])


def test_early_stopping_ends_the_run(start):
    run, state = start(
        "early_stopping=patience", "early_stopping.patience=2", "trainer.epochs=9", "monitor.min_delta=5"
    )
    assert train(run, state)
    # The first evaluation is the best; the second and third do not beat it by 5.
    assert state.step == 3 * 4
    assert state.best.step == 4


def test_plateau_lowers_the_rate_of_the_next_steps(start, records):
    run, state = start(
        "scheduler=plateau",
        "scheduler.patience=1",
        "scheduler.factor=0.5",
        "scheduler.min_lr=0",
        "scheduler.warmup=0st",
        "trainer.epochs=4",
        "monitor.min_delta=5",
        "optimizer.lr=0.08",
        "trainer.log_every=1ep",
    )
    train(run, state)
    assert [row["train/lr"] for row in records(run)] == pytest.approx([0.08, 0.08, 0.04, 0.02])


def test_a_diverged_run_commits_nothing_that_is_not_finite(start):
    run, state = start("trainer.save_every=1st", "trainer.eval_every=1st")
    real, calls = run.task.loss_function.total, []

    def total(logits, target):
        calls.append(1)
        return real(logits, target) * (math.nan if len(calls) > 3 else 1.0)

    object.__setattr__(run.task, "loss_function", type("L", (), {"total": staticmethod(total)})())
    run.task.loss_function.weight = lambda target: torch.tensor(float(len(target)))
    with pytest.raises(DivergedError, match="train/loss=nan in the update after step 3 "):
        train(run, state)
    # The commit before the divergence may still be under way: leaving the saver's context waits for it.
    run.saver.wait()
    newest = checkpoint.commits(run.folder.checkpoints, "step")[0]
    saved = checkpoint.read(newest)["state"]
    assert saved["step"] == 3
    assert all(torch.isfinite(value).all() for value in saved["model"].values() if value.is_floating_point())


def test_a_loss_of_fp16_that_is_not_finite_is_left_out_as_its_step_is(start, records):
    run, state = start("trainer.precision=fp16", "trainer.log_every=1st")
    real, calls = run.task.loss_function.total, []

    def total(logits, target):
        calls.append(1)
        return real(logits, target) * (math.nan if len(calls) in (1, 3) else 1.0)

    object.__setattr__(run.task, "loss_function", type("L", (), {"total": staticmethod(total)})())
    run.task.loss_function.weight = lambda target: torch.tensor(float(len(target)))
    assert train(run, state)
    assert (state.step, state.scaler.get_scale()) == (8, 65536 / 4)
    rows = records(run)
    assert [row["step"] for row in rows] == list(range(1, 9))
    losses = {row["step"]: row["train/loss"] for row in rows if "train/loss" in row}
    assert sorted(losses) == [2, 4, 5, 6, 7, 8] and all(map(math.isfinite, losses.values()))


def test_ema_is_recorded_beside_the_plain_scores(start, records):
    run, state = start("trainer.ema_decay=0.5")
    train(run, state)
    row = records(run)[-1]
    assert {"val/accuracy", "val/ema/accuracy"} <= set(row)
    assert row["val/loss"] != row["val/ema/loss"]


def test_it_says_when_bits_will_differ(start):
    run, state = start()
    train(run, state)
    run, state = start()
    said = []
    run.recorder.others.append(
        ("ear", type("Ear", (), {"say": lambda self, text: said.append(text), "close": lambda self: None})())
    )
    run.checkpoint_meta["environment"]["threads"] = "64"
    assert restore(run, state)
    assert len(said) == 1
    assert "threads 1 -> 64" in said[0]
    assert "not the same bits" in said[0]

import numpy as np
import pytest
import torch

from cvrun.trainer import checkpoint
from cvrun.trainer.evaluate import Interrupted
from cvrun.trainer.finish import finish
from cvrun.trainer.loop import train


def test_the_best_weights_are_scored_once_more_and_state_stays(start, records, digest):
    run, state = start("trainer.epochs=3", "optimizer.lr=0.3")
    train(run, state)
    before = digest(state.state_dict())
    finish(run, state)
    assert digest(state.state_dict()) == before
    status = run.folder.read_status()
    assert status["state"] == "finished"
    assert status["resumable"] is False
    assert status["metrics"]["val/accuracy"] == pytest.approx(state.best.score)
    last = records(run)[-1]
    assert (last["best/step"], last["best/val/accuracy"]) == (state.best.step, state.best.score)
    assert checkpoint.commits(run.folder.checkpoints, "best")[0].name == f"best-{state.best.step:08d}"


def test_the_score_with_views_stands_beside_the_plain_one(start, records):
    run, state = start("tta=hflip")
    train(run, state)
    finish(run, state)
    metrics = run.folder.read_status()["metrics"]
    assert {"val/accuracy", "val/tta/accuracy"} <= set(metrics)
    plain = np.load(run.folder.predictions / "val.npz")["probabilities"]
    views = np.load(run.folder.predictions / "val-tta.npz")["probabilities"]
    assert not np.allclose(plain, views)
    # A mirrored digit is another image, so the merged score cannot be the plain one.
    assert metrics["val/loss"] != metrics["val/tta/loss"]


def test_a_stop_leaves_the_run_to_be_finished_later(start):
    class Stop:
        requested = False

    stop = Stop()
    run, state = start(stop=stop)
    train(run, state)
    stop.requested = True
    with pytest.raises(Interrupted):
        finish(run, state)
    assert run.folder.read_status()["state"] == "running"


def test_it_reads_the_best_not_the_last_weights(start):
    run, state = start()
    train(run, state)
    with torch.no_grad():
        for parameter in state.model.parameters():
            parameter.zero_()
    finish(run, state)
    assert run.folder.read_status()["metrics"]["val/accuracy"] == pytest.approx(state.best.score)

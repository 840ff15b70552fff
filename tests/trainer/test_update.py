import copy
import json
import math
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from cvrun.build import autocast
from cvrun.dist import ALONE
from cvrun.errors import DivergedError
from cvrun.folder import RunFolder
from cvrun.loss.cross_entropy import Config as LossConfig
from cvrun.loss.cross_entropy import build as build_loss
from cvrun.pipeline import Batch
from cvrun.scheduler import Schedule, Span
from cvrun.task._prior import unshifted
from cvrun.task.classification import Classification
from cvrun.trainer.best import Best
from cvrun.trainer.digest import digest
from cvrun.trainer.ema import NoEma, WeightEma
from cvrun.trainer.shares import Single
from cvrun.trainer.state import LossMean, State
from cvrun.trainer.update import not_finite, update


@dataclass
class Setup:
    run: SimpleNamespace
    state: State
    batch: Batch


def setup(accumulate=1, weights="none", precision="fp32", clip=None, model=None) -> Setup:
    torch.manual_seed(0)
    model = model or nn.Sequential(nn.Flatten(), nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 3))
    target = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 2, 2])
    counts = torch.bincount(target).numpy()
    task = Classification(build_loss(LossConfig(0.1, weights, 0.999), counts), (), unshifted)
    span = Span(steps=10, warmup=0, steps_per_epoch=5, lr=0.1)
    schedule = Schedule(span, 1.0, lambda step: 1.0 - step / 10)
    run = SimpleNamespace(
        plan=SimpleNamespace(accumulate=accumulate, seed=0, total_steps=10),
        task=task,
        schedule=schedule,
        together=ALONE,
        share=Single(task, model),
        step_images=lambda step: torch.arange(10),
        autocast=autocast(precision, torch.device("cpu")),
        clip=clip or (lambda parameters: None),
    )
    state = State(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=9.0),
        scaler=torch.amp.GradScaler("cpu", enabled=precision == "fp16"),
        ema=NoEma(),
        plateau=schedule.plateau,
        stopper=None,
        best=Best("val/loss", "min", 0.0, "abs"),
        loss_mean=LossMean(),
    )
    image = torch.randn(10, 3, 2, 2, generator=torch.Generator().manual_seed(1))
    return Setup(run, state, Batch(image, target, torch.arange(10)))


def weights_after(given: Setup, steps=3) -> list[torch.Tensor]:
    given.state.model.train()
    for _ in range(steps):
        update(given.run, given.state, given.batch)
    return [parameter.detach().clone() for parameter in given.state.model.parameters()]


@pytest.mark.parametrize("weights", ["none", "balanced", (0.5, 1.0, 4.0)])
@pytest.mark.parametrize("parts", [2, 4, 10])
def test_a_batch_in_parts_is_the_same_step_as_a_whole_one(weights, parts):
    whole, cut = weights_after(setup(1, weights)), weights_after(setup(parts, weights))
    for a, b in zip(whole, cut, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_it_is_plain_sgd_with_the_scheduled_rate():
    given = setup()
    model = given.state.model
    expected = [parameter.detach().clone() for parameter in model.parameters()]
    for step in range(3):
        for parameter, value in zip(model.parameters(), expected, strict=True):
            assert torch.allclose(parameter, value, rtol=1e-5, atol=1e-7)
        loss = nn.functional.cross_entropy(model(given.batch.image), given.batch.target, label_smoothing=0.1)
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        rate = 0.1 * (1 - step / 10)
        expected = [value - rate * g for value, g in zip(expected, gradients, strict=True)]
        reported = update(given.run, given.state, given.batch)
        assert float(reported) == pytest.approx(float(loss.detach()), rel=1e-6)
    assert given.state.step == 3


def test_gradients_are_clipped_after_accumulation():
    norms = []

    def clip(parameters):
        norms.append(float(nn.utils.clip_grad_norm_(parameters, 0.01)))

    given = setup(accumulate=5, clip=clip)
    before = [parameter.detach().clone() for parameter in given.state.model.parameters()]
    update(given.run, given.state, given.batch)
    moved = [a - b for a, b in zip(given.state.model.parameters(), before, strict=True)]
    length = math.sqrt(sum(float((m.detach() ** 2).sum()) for m in moved))
    assert len(norms) == 1
    assert norms[0] > 0.01
    assert length == pytest.approx(0.1 * 0.01, rel=1e-3)


def test_dropout_depends_on_seed_and_step_alone():
    def network():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(12, 64), nn.Dropout(0.5), nn.Linear(64, 3))

    first = setup(model=network())
    torch.manual_seed(123)
    update(first.run, first.state, first.batch)
    second = setup(model=network())
    torch.manual_seed(456)
    update(second.run, second.state, second.batch)
    for a, b in zip(first.state.model.parameters(), second.state.model.parameters(), strict=True):
        assert torch.equal(a, b)
    third = setup(model=network())
    third.state.step = 1
    third.run.schedule = Schedule(third.run.schedule.span, 1.0, lambda step: 1.0)
    update(third.run, third.state, third.batch)
    assert not torch.equal(next(first.state.model.parameters()), next(third.state.model.parameters()))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_other_precisions_go_the_same_way(precision):
    full, low = weights_after(setup()), weights_after(setup(precision=precision))
    for a, b in zip(full, low, strict=True):
        torch.testing.assert_close(a, b, rtol=0.05, atol=0.01)
    assert low[0].dtype == torch.float32


def gradients() -> list[torch.Tensor]:
    tiny = torch.finfo(torch.float32).tiny
    return [torch.tensor([0.0, -0.0, 1.5, -tiny / 8, 3e38]), torch.tensor(2.0), torch.zeros(0), torch.randn(3, 4).t()]


def test_what_is_finite_passes_and_keeps_its_bits():
    given = gradients()
    before = [value.clone() for value in given]
    assert not_finite(torch.tensor(0.5), given) == not_finite(torch.tensor(0.5), []) == ""
    for mine, theirs in zip(given, before, strict=True):
        assert torch.equal(mine.contiguous().view(torch.int32), theirs.contiguous().view(torch.int32))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_found_wherever_it_is(bad):
    assert not_finite(torch.tensor(bad), gradients()) == f"train/loss={bad}"
    for position, place in ((0, 4), (1, ()), (3, (1, 2))):
        given = gradients()
        given[position][place] = bad
        assert not_finite(torch.tensor(0.5), given) == "a gradient is not finite"


def test_gradients_of_several_types():
    given = [torch.ones(3), torch.ones(2, dtype=torch.bfloat16), torch.ones(2, dtype=torch.float64)]
    assert not_finite(torch.tensor(0.5), given) == ""
    given[1][1] = math.inf
    assert not_finite(torch.tensor(0.5), given) == "a gradient is not finite"


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_the_weights_are_those_before_an_update_that_is_not_finite(tmp_path, bad, where):
    given = setup(accumulate=2)
    state, run = given.state, given.run
    run.folder, run.ids = RunFolder(tmp_path), tuple(f"{number}.png" for number in range(10))
    state.optimizer = torch.optim.SGD(state.model.parameters(), lr=9.0, momentum=0.9)
    state.ema = WeightEma(state.model, 0.9)
    weights_after(given, steps=2)
    before = copy.deepcopy([state.model.state_dict(), state.optimizer.state_dict(), state.ema.state_dict()])
    assert len(before[1]["state"]) == 4
    if where == "loss":
        given.batch.image[7] = bad
    else:
        # The loss is finite, and so are the gradients of the other layer.
        next(state.model.parameters()).register_hook(lambda gradient: gradient * bad)
    found = "train/loss=nan" if where == "loss" else "a gradient is not finite"
    with pytest.raises(DivergedError, match=f"{found} in the update after step 2 "):
        update(run, state, given.batch)
    after = [state.model.state_dict(), state.optimizer.state_dict(), state.ema.state_dict()]
    assert digest(after) == digest(before)
    assert state.step == 2
    written = json.loads((tmp_path / "diverged.json").read_text())
    assert (written["step"], written["images"]) == (2, list(run.ids))
    assert written["lr"] == pytest.approx(0.08)

import pytest
import torch
from torch import nn

from cvrun.errors import RuleError
from cvrun.optimizer import param_groups
from cvrun.optimizer.sgd import Config, build


def config(momentum: float = 0.9, nesterov: bool = False, weight_decay: float = 0.0) -> Config:
    return Config(
        lr=1.0, weight_decay=weight_decay, lr_scale="none", base_batch=256, momentum=momentum, nesterov=nesterov
    )


def steps_under_constant_gradient(chosen: Config, num: int) -> list[float]:
    weight = nn.Parameter(torch.zeros(1, 1, dtype=torch.float64))
    optimizer = build(chosen, [{"params": [weight], "weight_decay": 0.0}], 1.0)
    positions = [0.0]
    for _ in range(num):
        weight.grad = torch.ones_like(weight)
        optimizer.step()
        positions.append(weight.item())
    return [before - after for before, after in zip(positions, positions[1:], strict=False)]


def test_momentum_sums_gradients_with_exponential_decay() -> None:
    steps = steps_under_constant_gradient(config(), 300)
    assert steps[:3] == pytest.approx([1.0, 1.9, 2.71])
    assert steps[-1] == pytest.approx(10.0)


def test_nesterov_looks_ahead() -> None:
    assert steps_under_constant_gradient(config(nesterov=True), 1) == pytest.approx([1.9])


def test_without_momentum_every_step_is_the_gradient() -> None:
    assert steps_under_constant_gradient(config(momentum=0.0), 3) == pytest.approx([1.0, 1.0, 1.0])


@pytest.mark.parametrize(("penalty", "expected"), [(0.0, 2.0), (0.5, 1.6667), (2.5, 1.0)])
def test_weight_decay_is_ridge_regression_with_twice_the_penalty(penalty: float, expected: float) -> None:
    # min over w of mean((w x - y)^2) + penalty * w^2 with x = [1, 2], y = [2, 4]: w = 10 / (5 + 2 penalty).
    model = nn.Linear(1, 1, bias=False)
    x, y = torch.tensor([[1.0], [2.0]]), torch.tensor([[2.0], [4.0]])
    optimizer = build(config(momentum=0.0), param_groups(model, 2 * penalty), 0.1)
    for _ in range(100):
        optimizer.zero_grad()
        ((model(x) - y) ** 2).mean().backward()
        optimizer.step()
    assert model.weight.item() == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize("momentum", [-0.1, 1.0, float("nan")])
def test_momentum_out_of_range_is_refused(momentum: float) -> None:
    with pytest.raises(RuleError, match="momentum=.*0 <= momentum < 1"):
        config(momentum=momentum)


def test_nesterov_without_momentum_is_refused() -> None:
    with pytest.raises(RuleError, match="nesterov=True: expected false where momentum is 0"):
        config(momentum=0.0, nesterov=True)

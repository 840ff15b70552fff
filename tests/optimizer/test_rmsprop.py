import pytest
import torch
from torch import nn

from cvrun.errors import RuleError
from cvrun.optimizer.rmsprop import Config, build


def config(alpha: float = 0.99, eps: float = 1e-8, momentum: float = 0.0, centered: bool = False) -> Config:
    return Config(0.01, 0.0, "none", 256, alpha=alpha, eps=eps, momentum=momentum, centered=centered)


def first_steps(chosen: Config, num: int) -> list[float]:
    weight = nn.Parameter(torch.zeros(1, 1, dtype=torch.float64))
    optimizer = build(chosen, [{"params": [weight], "weight_decay": 0.0}], 0.01)
    positions = [0.0]
    for _ in range(num):
        weight.grad = torch.full_like(weight, 3.0)
        optimizer.step()
        positions.append(weight.item())
    return [before - after for before, after in zip(positions, positions[1:], strict=False)]


def test_first_step_is_ten_times_lr() -> None:
    assert first_steps(config(), 1) == pytest.approx([0.1])


def test_momentum_keeps_a_share_of_the_last_step() -> None:
    plain, kept = first_steps(config(), 2), first_steps(config(momentum=0.5), 2)
    assert kept == pytest.approx([plain[0], plain[1] + 0.5 * plain[0]])


def test_centered_divides_by_the_standard_deviation() -> None:
    # Mean square 0.01 g^2 and mean 0.01 g after one step: variance 0.0099 g^2.
    assert first_steps(config(centered=True), 1) == pytest.approx([0.01 / 0.0099**0.5])


def test_values_out_of_range_are_refused() -> None:
    for values in ({"alpha": 1.0}, {"alpha": -0.1}, {"eps": 0.0}, {"momentum": 1.0}):
        with pytest.raises(RuleError, match=f"^{next(iter(values))}="):
            config(**values)

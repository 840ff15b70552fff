import pytest
import torch
from torch import nn

from cvrun.errors import RuleError
from cvrun.optimizer.adagrad import Config, build


def config(eps: float = 1e-10, initial_accumulator: float = 0.0) -> Config:
    return Config(1.0, 0.0, "none", 256, eps=eps, initial_accumulator=initial_accumulator)


def first_steps(chosen: Config, num: int) -> list[float]:
    weight = nn.Parameter(torch.zeros(1, 1, dtype=torch.float64))
    optimizer = build(chosen, [{"params": [weight], "weight_decay": 0.0}], 1.0)
    positions = [0.0]
    for _ in range(num):
        weight.grad = torch.full_like(weight, 5.0)
        optimizer.step()
        positions.append(weight.item())
    return [before - after for before, after in zip(positions, positions[1:], strict=False)]


def test_steps_shrink_with_the_root_of_their_number() -> None:
    assert first_steps(config(), 3) == pytest.approx([1.0, 0.7071, 0.5774], abs=5e-5)


def test_the_sum_of_squares_starts_where_it_is_told() -> None:
    assert first_steps(config(initial_accumulator=75.0), 1) == pytest.approx([0.5])


def test_values_out_of_range_are_refused() -> None:
    for values in ({"eps": 0.0}, {"initial_accumulator": -1.0}, {"initial_accumulator": float("inf")}):
        with pytest.raises(RuleError, match=f"^{next(iter(values))}="):
            config(**values)

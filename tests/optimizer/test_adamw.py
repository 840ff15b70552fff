import pytest
import torch
from torch import nn

from cvrun.errors import RuleError
from cvrun.optimizer.adamw import Config, build


def config(betas: tuple[float, ...] = (0.9, 0.999), eps: float = 1e-8) -> Config:
    return Config(lr=0.01, weight_decay=0.1, lr_scale="none", base_batch=256, betas=betas, eps=eps)


def test_weight_decay_is_decoupled_from_the_gradient() -> None:
    # Loshchilov and Hutter, algorithm 2: with a zero gradient only w <- w - lr * weight_decay * w is left.
    weight = nn.Parameter(torch.full((1, 1), 4.0, dtype=torch.float64))
    weight.grad = torch.zeros_like(weight)
    build(config(), [{"params": [weight], "weight_decay": 0.1}], 0.01).step()
    assert weight.item() == pytest.approx(4.0 * (1 - 0.01 * 0.1))


@pytest.mark.parametrize("gradient", [1e-3, 1e3])
def test_first_step_without_decay_is_lr(gradient: float) -> None:
    weight = nn.Parameter(torch.zeros(1, 1, dtype=torch.float64))
    weight.grad = torch.full_like(weight, gradient)
    build(config(), [{"params": [weight], "weight_decay": 0.0}], 0.01).step()
    assert weight.item() == pytest.approx(-0.01, rel=2e-5)


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(RuleError, match="betas="):
        config(betas=(0.9, 1.5))
    with pytest.raises(RuleError, match="eps="):
        config(eps=0.0)

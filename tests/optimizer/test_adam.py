import pytest
import torch
from torch import nn

from cvrun.errors import RuleError
from cvrun.optimizer.adam import Config, build


def config(betas: tuple[float, ...] = (0.9, 0.999), eps: float = 1e-8) -> Config:
    return Config(lr=0.01, weight_decay=0.0, lr_scale="none", base_batch=256, betas=betas, eps=eps)


@pytest.mark.parametrize("gradient", [1e-3, 1e3])
def test_first_step_is_lr_whatever_the_gradient(gradient: float) -> None:
    weight = nn.Parameter(torch.zeros(2, 2, dtype=torch.float64))
    weight.grad = torch.full_like(weight, gradient)
    build(config(), [{"params": [weight], "weight_decay": 0.0}], 0.01).step()
    assert -weight.detach().numpy() == pytest.approx(0.01, rel=2e-5)


def test_weight_decay_goes_through_the_scaling() -> None:
    weight = nn.Parameter(torch.full((1, 1), 4.0, dtype=torch.float64))
    weight.grad = torch.zeros_like(weight)
    build(config(), [{"params": [weight], "weight_decay": 0.1}], 0.01).step()
    assert weight.item() == pytest.approx(4.0 - 0.01)


@pytest.mark.parametrize("betas", [(0.9,), (0.9, 1.0), (-0.1, 0.9), (0.9, 0.99, 0.999)])
def test_betas_out_of_range_are_refused(betas: tuple[float, ...]) -> None:
    with pytest.raises(RuleError, match="betas=.*two numbers"):
        config(betas=betas)


@pytest.mark.parametrize("eps", [0.0, -1e-8, 1.0, float("nan")])
def test_eps_out_of_range_is_refused(eps: float) -> None:
    with pytest.raises(RuleError, match="eps="):
        config(eps=eps)

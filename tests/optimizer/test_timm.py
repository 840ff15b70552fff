import pytest
import torch
from torch import nn

from cvrun.errors import ConfigError, RuleError
from cvrun.optimizer import param_groups
from cvrun.optimizer.timm import Config, build
from cvrun.typed import to_dataclass


def values(name: str, **others: object) -> dict[str, object]:
    shared = {"lr": 0.01, "weight_decay": 0.1, "lr_scale": "none", "base_batch": 256}
    return {"name": name, **shared, "momentum": None, "betas": None, "eps": None, **others}


def config(name: str, **others: object) -> Config:
    return to_dataclass(Config, values(name, **others), "optimizer")


@pytest.mark.parametrize("name", ["sgdw", "nadamw", "lamb", "lion", "muon", "adafactorbv", "rmsproptf", "madgrad"])
def test_the_groups_alone_decide_what_decays(name: str) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    before = [parameter.detach().clone() for parameter in model.parameters()]
    optimizer = build(config(name), param_groups(model, 0.1), 0.01)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1, 0.0]
    for _ in range(3):
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
    moved = [not torch.allclose(old, new) for old, new in zip(before, model.parameters(), strict=True)]
    assert moved == [True, False, False, False]


def test_adamw_of_timm_is_adamw_of_torch() -> None:
    ours, theirs = (nn.Parameter(torch.ones(2, 2, dtype=torch.float64)) for _ in range(2))
    chosen = config("adamw", betas=[0.8, 0.95], eps=1e-6)
    left = build(chosen, [{"params": [ours], "weight_decay": 0.1}], 0.01)
    right = torch.optim.AdamW([theirs], lr=0.01, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1)
    for step in range(1, 4):
        for weight, optimizer in ((ours, left), (theirs, right)):
            weight.grad = weight.detach() * step
            optimizer.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)


def test_momentum_is_handed_on() -> None:
    weight = nn.Parameter(torch.zeros(1, 1))
    optimizer = build(config("momentum", momentum=0.25), [{"params": [weight], "weight_decay": 0.0}], 1.0)
    for _ in range(2):
        weight.grad = torch.ones_like(weight)
        optimizer.step()
    assert weight.item() == -(1.0 + 1.25)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(
        ConfigError, match=r"^optimizer.name=nadamv: expected an optimizer of timm; did you mean 'nadam"
    ):
        config("nadamv")


@pytest.mark.parametrize("name", ["lbfgs", "lookahead_adam", "LAMB", ""])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="expected an optimizer of timm"):
        config(name)


def test_second_derivatives_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^optimizer.name=adahessian: expected .* first derivatives only"):
        config("adahessian")


@pytest.mark.parametrize(
    ("name", "key", "value", "rule"),
    [
        ("adamw", "momentum", 0.9, "null, since adamw has no momentum"),
        ("sgd", "betas", [0.9, 0.999], "null, since sgd has no betas"),
        ("lion", "eps", 1e-8, "null, since lion has no eps"),
        ("sgd", "momentum", 1.0, "0 <= momentum < 1"),
        ("adan", "betas", [0.9, 0.99], "3 numbers"),
        ("adamw", "betas", [0.9, 1.0], "2 numbers"),
        ("adamw", "eps", 0.0, "0 < eps < 1"),
    ],
)
def test_what_an_optimizer_does_not_have_is_refused(name: str, key: str, value: object, rule: str) -> None:
    with pytest.raises(ConfigError, match=rf"^optimizer.{key}=.*expected {rule}"):
        config(name, **{key: value})


def test_an_optimizer_that_lacks_its_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import timm.optim

    def refuse(*args: object, **kwargs: object) -> None:
        raise ImportError("bitsandbytes optimizers require bitsandbytes to be installed")

    monkeypatch.setattr(timm.optim, "create_optimizer_v2", refuse)
    with pytest.raises(RuleError, match=r"^name=bnbadam: expected .* require bitsandbytes to be installed"):
        build(config("bnbadam"), param_groups(nn.Linear(2, 2), 0.1), 0.01)

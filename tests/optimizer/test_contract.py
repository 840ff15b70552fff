import copy
import dataclasses
import io
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, nn

from cvrun.errors import ConfigError, RuleError
from cvrun.optimizer import fusable, param_groups, scaled_lr
from cvrun.options import choices, load, module_names
from cvrun.typed import to_dataclass

CHOICES = choices("optimizer")


def parts(choice: str) -> tuple[Any, Any]:
    values = yaml.safe_load(CHOICES[choice].read_text())
    module = load("optimizer", values.pop("option"))
    return module, to_dataclass(module.Config, values, "optimizer")


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.LayerNorm(8), nn.Tanh(), nn.Linear(8, 2))


def optimizer_of(choice: str, model: nn.Module) -> torch.optim.Optimizer:
    module, config = parts(choice)
    return module.build(config, param_groups(model, config.weight_decay), scaled_lr(config, 256))


def loss_of(model: nn.Module) -> Tensor:
    x = torch.linspace(-1, 1, 48).reshape(16, 3)
    y = torch.stack([x.sum(dim=1), x[:, 0] - 1], dim=1)
    return ((model(x) - y) ** 2).mean()


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> list[float]:
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def equal(left: nn.Module, right: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(left.parameters(), right.parameters(), strict=True))


def test_every_module_has_a_yaml_and_every_yaml_a_module() -> None:
    assert {yaml.safe_load(path.read_text())["option"] for path in CHOICES.values()} == set(module_names("optimizer"))


@pytest.mark.parametrize("choice", CHOICES)
def test_five_steps_lower_the_loss(choice: str) -> None:
    model = network()
    losses = train(model, optimizer_of(choice, model), 6)
    assert losses[5] < losses[0]


@pytest.mark.parametrize("choice", CHOICES)
def test_continues_from_its_state_dict_to_the_same_bits(choice: str) -> None:
    model = network()
    optimizer = optimizer_of(choice, model)
    train(model, optimizer, 3)
    file = io.BytesIO()
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, file)
    train(model, optimizer, 3)

    file.seek(0)
    state = torch.load(file, weights_only=True)
    resumed = network()
    resumed_optimizer = optimizer_of(choice, resumed)
    resumed.load_state_dict(state["model"])
    resumed_optimizer.load_state_dict(state["optimizer"])
    train(resumed, resumed_optimizer, 3)
    assert equal(model, resumed)


@pytest.mark.parametrize("choice", CHOICES)
def test_a_gradient_scaler_changes_nothing_and_skips_infinite_gradients(choice: str) -> None:
    plain, scaled = network(), network()
    train(plain, optimizer_of(choice, plain), 3)
    optimizer = optimizer_of(choice, scaled)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    for _ in range(3):
        optimizer.zero_grad()
        scaler.scale(loss_of(scaled)).backward()
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
    # A power of two is scaled away without rounding.
    assert equal(plain, scaled)

    optimizer.zero_grad()
    scaler.scale(loss_of(scaled)).backward()
    next(scaled.parameters()).grad[0, 0] = torch.inf
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert equal(plain, scaled)
    assert scaler.get_scale() == 2.0**9


@pytest.mark.parametrize("choice", CHOICES)
def test_weight_decay_pulls_at_matrices_and_leaves_norms_and_biases(choice: str) -> None:
    module, config = parts(choice)
    config = dataclasses.replace(config, weight_decay=0.5, lr=0.01)
    model = network()
    before = copy.deepcopy(model)
    optimizer = module.build(config, param_groups(model, config.weight_decay), config.lr)
    for _ in range(3):
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
    for old, new in zip(before.parameters(), model.parameters(), strict=True):
        assert torch.equal(old, new) == (new.ndim < 2)


def test_param_groups_take_trainable_parameters_once_and_decay_only_filters_and_matrices() -> None:
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Flatten(), nn.Linear(6, 4), nn.LayerNorm(4))
    model[3].bias.requires_grad_(False)
    decay, plain = param_groups(model, 0.1)
    assert (decay["weight_decay"], plain["weight_decay"]) == (0.1, 0.0)
    assert [p is q for p, q in zip(decay["params"], [model[0].weight, model[3].weight], strict=True)] == [True, True]
    expected = [model[0].bias, model[1].weight, model[1].bias, model[4].weight, model[4].bias]
    assert [p is q for p, q in zip(plain["params"], expected, strict=True)] == [True] * 5


def test_param_groups_leave_out_an_empty_group() -> None:
    assert len(param_groups(nn.Linear(2, 2, bias=False), 0.1)) == 1


@pytest.mark.parametrize(("rule", "expected"), [("none", 0.1), ("linear", 3.2), ("sqrt", 0.5657)])
def test_lr_follows_the_batch_size(rule: str, expected: float) -> None:
    _, config = parts("sgd")
    config = dataclasses.replace(config, lr=0.1, base_batch=256, lr_scale=rule)
    assert scaled_lr(config, 8192) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lr", 0.0),
        ("lr", float("nan")),
        ("lr", float("inf")),
        ("weight_decay", -1e-4),
        ("weight_decay", float("inf")),
        ("lr_scale", "lineal"),
        ("base_batch", 0),
    ],
)
def test_values_out_of_range_are_refused(choice: str, key: str, value: object) -> None:
    _, config = parts(choice)
    with pytest.raises(RuleError, match=f"^{key}="):
        dataclasses.replace(config, **{key: value})


def test_a_word_near_a_rule_is_suggested() -> None:
    module, config = parts("sgd")
    values = dataclasses.asdict(config) | {"lr_scale": "lineal"}
    with pytest.raises(ConfigError, match=r"^optimizer.lr_scale=lineal: expected one of none, .*did you mean 'linear'"):
        to_dataclass(module.Config, values, "optimizer")


@pytest.mark.parametrize("choice", ["sgd", "sgd_nesterov", "adam", "adamw", "adagrad"])
def test_fused_kernels_are_used(choice: str) -> None:
    assert optimizer_of(choice, network()).defaults["fused"] is True


def test_complex_parameters_are_not_fused() -> None:
    assert not fusable([{"params": [nn.Parameter(torch.ones(2, dtype=torch.complex64))], "weight_decay": 0.0}])


def test_parameters_elsewhere_are_not_fused() -> None:
    assert not fusable([{"params": [nn.Parameter(torch.ones(2, device="meta"))], "weight_decay": 0.0}])


def test_what_a_model_names_itself_does_not_decay():
    import timm

    model = timm.create_model("test_vit", num_classes=3)
    decay, plain = param_groups(model, 0.1)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    exempt = {names[id(parameter)] for parameter in plain["params"]}
    assert {"pos_embed", "cls_token"} <= exempt
    assert all(parameter.ndim >= 2 for parameter in decay["params"])
    assert (decay["weight_decay"], plain["weight_decay"]) == (0.1, 0.0)

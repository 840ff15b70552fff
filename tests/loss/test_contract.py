from typing import Any

import numpy as np
import pytest
import torch
import yaml

from cvrun.loss import Loss
from cvrun.options import choices, load, module_names, targets
from cvrun.typed import to_dataclass

CHOICES = choices("loss")


def loss_of(choice: str) -> Loss:
    values: dict[str, Any] = yaml.safe_load(CHOICES[choice].read_text())
    module = load("loss", values.pop("option"))
    loss: Loss = module.build(to_dataclass(module.Config, values, "loss"), np.array([3, 5, 2, 6, 4]))
    return loss


def batch(choice: str, soft: bool) -> tuple[torch.Tensor, torch.Tensor]:
    option = yaml.safe_load(CHOICES[choice].read_text())["option"]
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(12, 5, generator=generator)
    hard = torch.randint(0, 5, (12,), generator=generator)
    if "labels" in targets("loss", option):
        hard = torch.randint(0, 2, (12, 5), generator=generator, dtype=torch.uint8)
    return logits, torch.rand(12, 5, generator=generator).softmax(dim=1) if soft else hard


def test_every_module_has_a_yaml_and_every_yaml_a_module() -> None:
    assert {yaml.safe_load(path.read_text())["option"] for path in CHOICES.values()} == set(module_names("loss"))


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("soft", [False, True])
def test_parts_of_a_batch_add_up_to_the_whole(choice: str, soft: bool) -> None:
    loss = loss_of(choice)
    logits, target = batch(choice, soft)
    parts = [loss.total(a, b) / loss.weight(target) for a, b in zip(logits.split(5), target.split(5), strict=True)]
    torch.testing.assert_close(sum(parts), loss.total(logits, target) / loss.weight(target))


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("soft", [False, True])
def test_both_sums_are_float32_scalars_and_training_lowers_the_loss(choice: str, soft: bool) -> None:
    loss = loss_of(choice)
    logits, target = batch(choice, soft)
    logits.requires_grad_()
    total, weight = loss.total(logits, target), loss.weight(target)
    assert (total.shape, total.dtype) == (weight.shape, weight.dtype) == (torch.Size([]), torch.float32)
    (total / weight).backward()
    assert loss.total((logits - logits.grad).detach(), target) < total

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cvrun.optimizer._eager import eager

KINDS = {
    "SGD": {"lr": 0.1, "momentum": 0.9, "nesterov": True, "fused": True},
    "Adam": {"lr": 0.1, "fused": True},
    "AdamW": {"lr": 0.1, "weight_decay": 0.1, "fused": True},
    "RMSprop": {"lr": 0.1, "momentum": 0.5, "centered": True},
    "Adagrad": {"lr": 0.1},
}


def weights(make: Any, **keys: Any) -> tuple[list[torch.Tensor], dict[str, Any]]:
    """The weights after five steps of a small net, the last two with an optimizer that took the state of the first."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    groups = [{"params": list(net[0].parameters()), "weight_decay": 0.01}, {"params": list(net[2].parameters())}]
    optimizer = make(groups, **keys)
    for step in range(5):
        if step == 3:
            state = optimizer.state_dict()
            optimizer = make(groups, **keys)
            optimizer.load_state_dict(state)
        net(torch.randn(8, 6)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return list(net.parameters()), optimizer.state_dict()


@pytest.mark.parametrize("name", KINDS)
def test_computes_the_bits_of_torchs_own(name: str) -> None:
    kind = getattr(torch.optim, name)
    own, torchs = weights(eager(kind), **KINDS[name]), weights(kind, **KINDS[name])
    assert all(map(torch.equal, own[0], torchs[0]))
    assert own[1]["param_groups"] == torchs[1]["param_groups"]
    assert own[1]["state"].keys() == torchs[1]["state"].keys()


def test_torchs_own_class_is_left_as_it_is() -> None:
    before = torch.optim.SGD.zero_grad
    assert eager(torch.optim.SGD) is eager(torch.optim.SGD)
    assert issubclass(eager(torch.optim.SGD), torch.optim.SGD)
    assert torch.optim.SGD.zero_grad is before


def test_takes_steps_without_the_compiler() -> None:
    code = """
import sys
from tests.optimizer.test_eager import KINDS, eager, torch, weights
for name, keys in KINDS.items():
    weights(eager(getattr(torch.optim, name)), **keys)
assert "torch._dynamo" not in sys.modules
weights(torch.optim.SGD, lr=0.1)
assert "torch._dynamo" in sys.modules  # so that it would be seen
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])

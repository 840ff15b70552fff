"""What a replay compares; stories are in test_verify.py."""

import torch

from cvrun.command._replay import _first_difference


def test_the_first_part_that_differs_is_named():
    mine = {"model": {"a": torch.zeros(2), "b": torch.ones(2)}, "step": 3}
    assert _first_difference(mine, {"model": {"a": torch.zeros(2), "b": torch.zeros(2)}, "step": 3}) == "model.b"
    assert _first_difference(mine, {"model": mine["model"], "step": 4}) == "step"
    assert _first_difference(mine, {"model": mine["model"]}) == "step"

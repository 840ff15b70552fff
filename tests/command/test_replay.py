"""What a replay compares; stories are in test_verify.py."""

import torch

from cvrun.command._replay import _first_difference, _of_names


def test_the_first_part_that_differs_is_named():
    mine = {"model": {"a": torch.zeros(2), "b": torch.ones(2)}, "step": 3}
    assert _first_difference(mine, {"model": {"a": torch.zeros(2), "b": torch.zeros(2)}, "step": 3}) == "model.b"
    assert _first_difference(mine, {"model": mine["model"], "step": 4}) == "step"
    assert _first_difference(mine, {"model": mine["model"]}) == "step"


def test_records_of_a_version_that_measured_less_are_compared_by_its_names():
    theirs = [{"step": 4, "val/accuracy": 0.5}, {"step": 8, "val/accuracy": 0.7}]
    mine = [{"step": 4, "val/accuracy": 0.5, "val/mcc": 0.1}, {"step": 8, "val/accuracy": 0.7, "val/mcc": 0.2}]
    assert _of_names(mine, theirs) == theirs
    # What it measured and today's version does not, a value that differs and a record that is missing are still seen.
    assert _of_names([{"step": 4, "val/mcc": 0.1}, mine[1]], theirs) != theirs
    assert _of_names([mine[0] | {"val/accuracy": 0.6}, mine[1]], theirs) != theirs
    assert _of_names(mine[:1], theirs) != theirs

import json
import os
import subprocess
import sys

import pytest
import torch

from cvrun import dist
from cvrun.errors import ConfigError


def test_one_process_is_a_world_of_one():
    values = torch.tensor([1.0, 2.0])
    assert (dist.rank(), dist.world_size()) == (0, 1)
    assert dist.sum_over_ranks(values) is values


@pytest.mark.parametrize(("text", "wanted"), [(None, 1), ("", 1), ("1", 1), ("4", 4)])
def test_launched_world_size(text, wanted, monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    if text is not None:
        monkeypatch.setenv("WORLD_SIZE", text)
    assert dist.launched_world_size() == wanted


@pytest.mark.parametrize("text", ["two", "-1", "1.5"])
def test_world_size_that_is_no_number(text, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", text)
    with pytest.raises(ConfigError, match=f"WORLD_SIZE={text}: expected a whole number"):
        dist.launched_world_size()


MEMBER = """
import json, sys, torch
from cvrun import dist
rank, store = int(sys.argv[1]), sys.argv[2]
torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
values = torch.tensor([1.0 + rank, 10.0])
total = dist.sum_over_ranks(values)
print(json.dumps([dist.rank(), dist.world_size(), total.tolist(), values.tolist()]))
torch.distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_have_the_same_sum(tmp_path):
    variables = {**os.environ, "GLOO_SOCKET_IFNAME": "lo"}
    children = [
        subprocess.Popen(
            [sys.executable, "-c", MEMBER, str(rank), tmp_path / "store"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=variables,
        )
        for rank in range(2)
    ]
    said = [child.communicate(timeout=120) for child in children]
    assert [child.returncode for child in children] == [0, 0], said
    assert json.loads(said[0][0]) == [0, 2, [3.0, 20.0], [1.0, 10.0]]
    assert json.loads(said[1][0]) == [1, 2, [3.0, 20.0], [2.0, 10.0]]

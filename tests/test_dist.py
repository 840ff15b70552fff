import multiprocessing
import os

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


def member(rank: int, store: str, answers) -> None:
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    values = torch.tensor([1.0 + rank, 10.0])
    total = dist.sum_over_ranks(values)
    answers.put((dist.rank(), dist.world_size(), total.tolist(), values.tolist()))
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_have_the_same_sum(tmp_path):
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    children = [context.Process(target=member, args=(rank, str(tmp_path / "store"), answers)) for rank in range(2)]
    for child in children:
        child.start()
    found = sorted(answers.get(timeout=60) for _ in children)
    for child in children:
        child.join(timeout=60)
    assert [child.exitcode for child in children] == [0, 0]
    assert found == [(0, 2, [3.0, 20.0], [1.0, 10.0]), (1, 2, [3.0, 20.0], [2.0, 10.0])]

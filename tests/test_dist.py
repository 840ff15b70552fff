import pytest
import torch
from torch import nn

from cvrun import dist
from cvrun.dist import ALONE
from cvrun.errors import ConfigError


def test_one_process_has_nobody_to_ask():
    values = torch.tensor([1.0, 2.0])
    assert (ALONE.rank, ALONE.world, ALONE.leads, ALONE.key) == (0, 1, True, ())
    assert ALONE.sum(values) is values
    assert ALONE.keep(values) is values
    assert ALONE.gather({"a": 1}) == [{"a": 1}]
    assert ALONE.first(lambda: 3) == 3
    assert ALONE.agreed(True) is True
    assert ALONE.agreed(False) is False
    ALONE.wait()
    ALONE.align(nn.BatchNorm1d(2))
    with pytest.raises(KeyError), ALONE.explaining():
        raise KeyError


@pytest.mark.parametrize(("text", "wanted"), [(None, None), ("", None), ("1", 1), ("4", 4)])
def test_launched_world_size(text, wanted, monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    if text is not None:
        monkeypatch.setenv("WORLD_SIZE", text)
    assert dist.launched_world_size() == wanted


@pytest.mark.parametrize("text", ["two", "-1", "1.5", "0"])
def test_world_size_that_is_no_number(text, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", text)
    with pytest.raises(ConfigError, match=f"WORLD_SIZE={text}: expected a whole number above 0"):
        dist.launched_world_size()


@pytest.mark.parametrize(
    ("variables", "wanted"), [({}, 0), ({"RANK": "3"}, 3), ({"RANK": "3", "LOCAL_RANK": "1"}, 1), ({"RANK": "x"}, 0)]
)
def test_local_rank(variables, wanted, monkeypatch):
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    assert dist.local_rank() == wanted


@pytest.mark.parametrize("text", [None, "", "x", "-1", "2", "5"])
def test_a_rank_that_is_none_of_the_world(text, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    if text is not None:
        monkeypatch.setenv("RANK", text)
    with pytest.raises(ConfigError, match=f"^RANK={text or ''}: expected a whole number below WORLD_SIZE=2"):
        dist.require_rank(2)


def test_a_rank_of_the_world(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    dist.require_rank(2)

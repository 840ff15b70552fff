import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from ranks_kit import on_ranks
from torch import nn

from cvrun.dist import ALONE
from cvrun.errors import ConfigError, DataError
from cvrun.ranks import joined


def test_a_world_of_one_is_alone():
    with joined(1, "cpu") as together:
        assert together is ALONE
    assert not torch.distributed.is_initialized()


def everything(together):
    rank = together.rank
    values = torch.tensor([1.0 + rank, 10.0])
    norm = nn.BatchNorm1d(2)
    norm.running_mean += 1.0 + rank
    together.align(norm)
    called = []
    first = together.first(lambda: called.append(rank) or {"from": rank})
    # Rank 1 is asked to stop before the third call.
    agreed = [together.agreed(rank == 1 and at >= 2) for at in range(5)]
    return {
        "who": [rank, together.world, together.leads, list(together.key)],
        "sum": together.sum(values).tolist(),
        "untouched": values.tolist(),
        "kept": together.sum(together.keep(values)).tolist(),
        "gathered": together.gather({"rank": rank}),
        "first": [first, called],
        "agreed": agreed,
        "buffers": norm.running_mean.tolist(),
    }


def test_two_ranks_know_of_each_other():
    zero, one = on_ranks(everything)
    assert zero["who"] == [0, 2, True, []]
    assert one["who"] == [1, 2, False, [1]]
    for found in (zero, one):
        assert found["sum"] == [3.0, 20.0]
        assert found["kept"] == [1.0, 10.0]
        assert found["gathered"] == [{"rank": 0}, {"rank": 1}]
        # A call later than it was said, at the same one on both.
        assert found["agreed"] == [False, False, False, True, True]
        assert found["buffers"] == [1.0, 1.0]
    assert (zero["first"], one["first"]) == ([{"from": 0}, [0]], [{"from": 0}, []])
    assert (zero["untouched"], one["untouched"]) == ([1.0, 10.0], [2.0, 10.0])


def failing(together):
    if together.rank == 1:
        raise DataError("b.png: cannot be decoded")
    together.sum(torch.zeros(1))


def test_the_error_of_one_rank_ends_the_other_with_its_words():
    zero, one = on_ranks(failing)
    assert one == "DataError: b.png: cannot be decoded"
    assert zero == "EndedElsewhereError: b.png: cannot be decoded"


def vanishing(together):
    if together.rank == 1:
        os._exit(9)
    with together.explaining():
        together.sum(torch.zeros(1))


def test_a_rank_that_vanishes_ends_the_other_in_a_moment():
    zero, one = on_ranks(vanishing)
    said = "another process of this run ended without a word; the same command again goes on from the last commit"
    assert (zero, one) == (f"CvrunError: {said}", None)


def failing_both(together):
    together.wait()
    raise DataError(f"rank {together.rank} says so")


def test_when_all_fail_one_of_them_says_it():
    answers = on_ranks(failing_both)
    (own,) = (answer for answer in answers if answer.startswith("DataError: "))
    (other,) = (answer for answer in answers if answer != own)
    assert other == own.replace("DataError", "EndedElsewhereError")


def on_a_gpu(together):
    there, here = torch.tensor([2.0], device="cuda"), torch.tensor([3.0])
    norm = nn.BatchNorm1d(2).cuda()
    together.align(norm)
    together.wait()
    stops = [together.agreed(at == 1) for at in range(3)]
    found = together.gather([float(together.sum(there)), float(together.sum(here)), together.first(lambda: "x"), stops])
    return [torch.distributed.get_backend(), *found]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_numbers_on_a_gpu_go_through_nccl_and_others_do_not():
    ((backend, answer),) = on_ranks(on_a_gpu, world=1, device="cuda:0")
    assert "nccl" in backend
    assert answer == [2.0, 3.0, "x", [False, False, True]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_waits_for_the_others_can_be_stopped(number, tmp_path):
    """Rank 1 of two, of which rank 0 never comes."""
    launched = {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29591"}
    command = [
        sys.executable,
        "-c",
        "from cvrun import ranks\nprint('waits', flush=True)\nwith ranks.joined(2, 'cpu'): pass",
    ]
    child = subprocess.Popen(command, env={**os.environ, **launched}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout.readline() == b"waits\n"
    time.sleep(0.5)
    child.send_signal(number)
    assert child.wait(20) == -number
    child.communicate()


def test_variables_that_are_not_whole(monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    with (
        pytest.raises(ConfigError, match="the launcher's variables are not whole .*torchrun sets them"),
        joined(2, "cpu"),
    ):
        pass

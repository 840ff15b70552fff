import contextlib

import pytest
import torch
from ranks_kit import on_ranks
from torch import nn
from torch.nn import functional

from cvrun.dist import ALONE
from cvrun.pipeline.shard import shard
from cvrun.trainer.sync_norm import batch_norm, synchronized


def plain():
    return contextlib.nullcontext()


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5), (4, 3, 2, 2)])
def test_in_one_process_it_is_batch_norm(shape):
    torch.manual_seed(0)
    image = torch.randn(shape, dtype=torch.float64).requires_grad_()
    weight, bias = (torch.randn(3, dtype=torch.float64).requires_grad_() for _ in range(2))
    mine = [torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)]
    theirs = [value.clone() for value in mine]
    found = batch_norm(image, *mine, weight, bias, 0.3, 1e-5, ALONE)
    expected = functional.batch_norm(image, *theirs, weight, bias, True, 0.3, 1e-5)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-12)
    assert torch.autograd.gradcheck(
        lambda *given: batch_norm(given[0], None, None, *given[1:], 0.1, 1e-5, ALONE), (image, weight, bias)
    )


def test_off_and_alone_it_is_the_context_that_it_was_given():
    assert synchronized(plain, ALONE, True) is plain


def network(timms: bool) -> nn.Module:
    torch.manual_seed(0)
    if timms:
        import timm

        return timm.create_model("test_resnet", num_classes=3, in_chans=3).double()
    layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 8), nn.BatchNorm1d(8)]
    return nn.Sequential(*layers).double()


def output_gradient_buffers(together, timms, wanted=True):
    """Of this rank's images: the sum of what comes out of them, squared; of all: gradients and running statistics."""
    size = 32 if timms else 8
    image = torch.randn(10, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    model = network(timms).train()
    with synchronized(plain, together, wanted)():
        loss = model(image[shard(10, together.rank, together.world)]).square().sum()
    loss.backward()
    gradients = [float(together.sum(parameter.grad).norm()) for parameter in model.parameters()]
    return [float(together.sum(loss.detach())), gradients, [float(value.sum()) for value in model.buffers()]]


@pytest.mark.parametrize("timms", [False, True])
def test_on_two_ranks_it_is_that_of_the_whole_batch(timms):
    zero, one = on_ranks(output_gradient_buffers, timms)
    alone = output_gradient_buffers(ALONE, timms)
    for found in (zero, one):
        for mine, expected in zip(found, alone, strict=True):
            assert mine == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_without_it_each_rank_has_its_own():
    zero, one = on_ranks(output_gradient_buffers, False, False)
    assert zero[2] != pytest.approx(one[2], rel=1e-3)


def test_in_evaluation_the_running_statistics_count():
    model = nn.BatchNorm2d(3).eval()
    image = torch.randn(4, 3, 2, 2)
    context = synchronized(plain, Pretend(), True)
    assert context is not plain
    with context():
        found = model(image)
    assert torch.equal(found, model(image))


class Pretend:
    """Two ranks that must not be asked."""

    world = 2

"""Shares of a loss: two ranks with unequal halves of a batch make the step that one process makes."""

import pytest
import torch
from ranks_kit import on_ranks
from torch import nn

from cvrun.dist import ALONE
from cvrun.loss.cross_entropy import Config, CrossEntropy, build
from cvrun.pipeline import Batch
from cvrun.pipeline.shard import shard
from cvrun.task._prior import unshifted
from cvrun.task.classification import Classification
from cvrun.trainer.shares import Parallel, Single, share_of

TARGETS = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 2, 2])


class Net(nn.Module):
    """Layers without BatchNorm; one of them may be left out."""

    def __init__(self, unused: bool):
        super().__init__()
        self.first, self.last = nn.Linear(12, 16), nn.Linear(16, 3)
        self.unused = nn.Linear(3, 3) if unused else nn.Identity()
        self.first.bias.requires_grad_(False)

    def forward(self, image):
        return self.last(torch.relu(self.first(image.flatten(1))))


def losses_and_weights(together, weights, accumulate, unused, device="cpu"):
    """Three steps of plain SGD on this rank's share of ten images."""
    torch.manual_seed(0)
    model = Net(unused).to(device)
    task = Classification(build(Config(0.1, weights, 0.999), torch.bincount(TARGETS).numpy()), (), unshifted)
    image = torch.randn(10, 3, 2, 2, generator=torch.Generator().manual_seed(1))
    rows = shard(10, together.rank, together.world)
    batch = Batch(image[rows].to(device), TARGETS[rows].to(device), rows)
    # A world of one is wrapped here as well, for the test on a GPU.
    share = Single(task, model) if together is ALONE else Parallel(task, model, together, unused)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer, losses = torch.optim.SGD(trained, lr=0.5), []
    for _ in range(3):
        parts = batch.parts(accumulate)
        total = torch.zeros((), device=device)
        for at, part in enumerate(parts):
            loss = share(part, batch, at + 1 == accumulate)
            loss.backward()
            total += loss.detach()
        losses.append(float(together.sum(total)))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        batch = Batch(batch.image, batch.target, batch.index)
    return [losses, [float(value) for parameter in model.parameters() for value in parameter.detach().flatten()]]


@pytest.mark.parametrize(
    ("weights", "accumulate", "unused"), [("none", 1, False), ("balanced", 2, False), ("balanced", 1, True)]
)
def test_two_ranks_make_the_steps_of_one_process(weights, accumulate, unused):
    assert [len(shard(10, rank, 2)) for rank in range(2)] == [4, 6]
    zero, one = on_ranks(losses_and_weights, weights, accumulate, unused)
    assert zero == one
    alone = losses_and_weights(ALONE, weights, 1, unused)
    assert zero[0] == pytest.approx(alone[0], rel=1e-5)
    assert zero[1] == pytest.approx(alone[1], rel=1e-4, abs=1e-6)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_one_rank_on_a_gpu_makes_them_as_well():
    (found,) = on_ranks(losses_and_weights, "balanced", 2, True, "cuda:0", world=1, device="cuda:0")
    alone = losses_and_weights(ALONE, "balanced", 1, True)
    assert found[0] == pytest.approx(alone[0], rel=1e-3)
    assert found[1] == pytest.approx(alone[1], rel=1e-2, abs=1e-4)


def test_one_process_has_no_wrapper():
    task = Classification(CrossEntropy(0.0, None), (), unshifted)
    share = share_of(task, nn.Sequential(nn.Flatten(), nn.Linear(12, 3)), ALONE, lambda: pytest.fail("it was asked"))
    assert isinstance(share, Single) and not isinstance(share, Parallel)
    batch = Batch(torch.zeros(4, 3, 2, 2), TARGETS[:4], torch.arange(4))
    assert share(batch, batch, True).shape == ()

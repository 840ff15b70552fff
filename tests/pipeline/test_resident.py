"""Images on the device are those of the store, in the same batches."""

import pytest
import torch

from cvrun.pipeline.feed import Draw, fed
from cvrun.pipeline.loader import evaluation_batches
from cvrun.pipeline.resident import Resident, near
from cvrun.pipeline.store import Store

CPU = torch.device("cpu")


def store(num: int = 40) -> Store:
    images = torch.randint(0, 256, (num, 5, 5, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Store(images, torch.arange(num) % 3, torch.arange(num) + 7)


def test_it_takes_what_the_store_takes():
    data = store()
    there = Resident(data.images, data.targets, data.index)
    rows = torch.tensor([3, 0, 39, 3])
    assert torch.equal(there.take(rows, rows), data.take(rows, rows))
    assert (len(there), there.slow) == (40, False)


def test_on_a_cpu_images_stay_as_they_are():
    data = store()
    assert near(data, CPU) is data


@pytest.mark.gpu
def test_batches_on_a_gpu_are_those_of_the_cpu(monkeypatch):
    cuda, data = torch.device("cuda"), store()
    there = near(data, cuda)
    assert isinstance(there, Resident) and there.images.is_cuda
    monkeypatch.setattr("cvrun.pipeline.resident.SHARE", 0.0)
    assert near(data, cuda) is data
    expected = list(evaluation_batches(data, lambda image: image.float(), 16, CPU)())
    for images in (there, data):
        found = list(evaluation_batches(images, lambda image: image.float(), 16, cuda)())
        for one, two in zip(found, expected, strict=True):
            assert one.image.is_cuda and one.target.is_cuda and one.index.is_cuda
            assert torch.equal(one.image.cpu(), two.image) and torch.equal(one.target.cpu(), two.target)


@pytest.mark.gpu
@pytest.mark.parametrize("slow", [False, True])
def test_a_copy_beside_the_computation_is_whole_and_waits_for_nobody(slow):
    """Each batch is worked on for long, so that the next copies would overtake what is not waited for."""
    cuda = torch.device("cuda")
    images = torch.randint(0, 256, (64, 64, 64, 3), dtype=torch.uint8)
    data = Store(images, torch.zeros(64, dtype=torch.int64), torch.arange(64), slow=slow)
    draws = [Draw(rows, rows, rows.cuda(), rows.cuda()) for rows in torch.arange(64).split(8)]
    weight = torch.randn(4000, 4000, device=cuda)
    sums = []
    for _, image in fed(data, iter(draws), cuda, 2, 10.0):
        for _ in range(20):
            weight = (weight @ weight).clamp(-1, 1)
        sums.append(image.double().sum(dim=(1, 2, 3)))
        del image
    assert torch.equal(torch.cat(sums).cpu(), images.double().sum(dim=(1, 2, 3)))

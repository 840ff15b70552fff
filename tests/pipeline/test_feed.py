"""The images of a draw are those of its rows, whoever takes them and wherever they go."""

import torch

from cvrun.pipeline import to_device
from cvrun.pipeline.feed import PIECE, Draw, fed
from cvrun.pipeline.store import Store

CPU = torch.device("cpu")


def draws(num: int, batch: int):
    for rows in torch.randperm(num, generator=torch.Generator().manual_seed(0)).split(batch):
        yield Draw(rows, rows * 7, rows + 100, rows % 3)


class Told(Store):
    """Says which rows and keys are taken at a time."""

    def take(self, rows, keys):
        assert torch.equal(keys, rows * 7)
        self.targets.append(rows.tolist())
        return super().take(rows, keys)


def test_a_slow_store_is_asked_for_pieces_of_a_batch():
    images = torch.randint(0, 256, (100, 4, 5, 3), dtype=torch.uint8)
    told: list[list[int]] = []
    store = Told(images, told, torch.arange(100), slow=True)  # type: ignore[arg-type]
    found = list(fed(store, draws(100, 2 * PIECE + 6), CPU, 0, 1.0))
    assert [len(rows) for rows in told] == [PIECE, PIECE, 6, 100 - 2 * PIECE - 6]
    assert sum(told, []) == torch.cat([draw.rows for draw, _ in found]).tolist()
    for draw, image in found:
        assert torch.equal(image, images[draw.rows].permute(0, 3, 1, 2))
        assert image.is_contiguous(memory_format=torch.channels_last)


def test_a_store_in_memory_is_asked_for_whole_batches():
    told: list[list[int]] = []
    store = Told(torch.zeros(100, 4, 5, 3, dtype=torch.uint8), told, torch.arange(100))  # type: ignore[arg-type]
    for draw, image in fed(store, draws(100, 70), CPU, 4, 1.0):
        assert image.shape == (len(draw.rows), 3, 4, 5)
    assert [len(rows) for rows in told] == [70, 30]


def test_on_the_cpu_nothing_is_copied():
    values = torch.arange(5)
    assert to_device(values, CPU) is values

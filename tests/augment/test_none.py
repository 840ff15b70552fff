import torch

from cvrun.augment import none
from cvrun.pipeline import Batch


def test_the_batch_comes_back_as_it_is():
    batch = Batch(torch.zeros(2, 1, 3, 3, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64), torch.arange(2))
    assert none.build(none.Config(), 10).change(batch, torch.arange(2)) is batch

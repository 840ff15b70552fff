"""Statistics of BatchNorm for weights that no training has seen, such as a mean of several models' weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import update_bn

from cvrun.pipeline import Batch
from cvrun.rng import seed_all


def has_statistics(model: nn.Module) -> bool:
    """Whether a model has BatchNorm with running statistics."""
    return any(isinstance(module, _BatchNorm) and module.running_mean is not None for module in model.modules())


def estimate(
    model: nn.Module, batches: Iterator[Batch], autocast: Callable[[], AbstractContextManager[Any]], seed: int
) -> None:
    """Replace the running statistics of BatchNorm by their means over batches, each of which counts the same.

    They are those of training: dropout, where there is any, is on, and drawn from seed. The model's mode stays. Source:
    arXiv 1803.05407, section 3.2; torch.optim.swa_utils.update_bn.

    Args:
        model: On the device of the batches.
        batches: Normalized images, in random order: a batch of one class has another variance.
        autocast: Gives the precision.
        seed: Of what is drawn.
    """
    seed_all(seed, "norm_statistics")
    with autocast():
        update_bn((batch.image for batch in batches), model)

"""Model soups: the mean of several models' weights, of all of them or of those that a greedy search keeps.

Source: Wortsman et al. 2022, "Model soups", arXiv 2203.05482, section 2 (uniform; greedy: recipe 1). Over the states at
the ends of a run's last epochs the mean is that of Izmailov et al. 2018, "Averaging weights leads to wider optima and
better generalization", arXiv 1803.05407, section 3.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

States = Sequence[Mapping[str, Tensor]]
"""Name -> tensor, of several models with the same names, shapes and types."""


def mean_of(states: States) -> dict[str, Tensor]:
    """Give the mean of weights, each in its own type; what are no real or complex numbers is that of the first.

    Sums are float64, and that of equal weights is divided without an error, so the mean of a model with itself is that
    model. Running statistics of BatchNorm are averaged as all else, which makes them no statistics of the result:
    estimate them anew. A counter (num_batches_tracked) has no mean.

    Args:
        states: At least one.
    """
    return {name: _mean([state[name] for state in states]) for name in states[0]}


def _mean(values: list[Tensor]) -> Tensor:
    first = values[0]
    if not (first.is_floating_point() or first.is_complex()):
        return first.clone()
    total = torch.zeros_like(first, dtype=torch.complex128 if first.is_complex() else torch.float64)
    for value in values:
        total += value
    # The layout of the first stays.
    return torch.empty_like(first).copy_(total / len(values))


def greedy(scores: Sequence[float], judge: Callable[[tuple[int, ...]], float]) -> tuple[int, ...]:
    """Give the positions of the models whose mean is kept, the best one first.

    From the best model on, in order of their scores, each is added if the score of the mean does not fall by it
    (recipe 1 of arXiv 2203.05482). So the mean is no worse than the best model, on what judges.

    Args:
        scores: Of each model by itself; higher is better, none is NaN. Of equal ones the first comes first.
        judge: Positions of at least two models -> score of their mean.
    """
    order = sorted(range(len(scores)), key=lambda position: -scores[position])
    kept: tuple[int, ...] = (order[0],)
    best = scores[order[0]]
    for position in order[1:]:
        found = judge((*kept, position))
        if found >= best:
            kept, best = (*kept, position), found
    return kept

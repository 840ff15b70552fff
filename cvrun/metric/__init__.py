"""Metrics: pure functions of saved predictions.

Contract of a module `cvrun/metric/NAME.py`: its docstring, `MODE = "max"` or `"min"` (which direction is better),
`MIN_CLASSES` (with fewer classes it is left out) and `compute(prediction: Prediction) -> float`; NaN where undefined.
It appears in the records as `val/NAME` and can be the monitor. Metrics have no keys, so they have no YAML.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Prediction:
    """The output of a model on a split.

    Attributes:
        probabilities: float32 (N, K), rows sum to 1.
        targets: Class indices, int64 (N,).
    """

    probabilities: NDArray[np.float32]
    targets: NDArray[np.int64]

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """The predicted class indices, int64 (N,); the lowest index wins a tie."""
        chosen: NDArray[np.int64] = self.probabilities.argmax(axis=1).astype(np.int64)
        return chosen

    @property
    def num_classes(self) -> int:
        """K."""
        return int(self.probabilities.shape[1])


@dataclass(frozen=True)
class Metric:
    """A metric by name, with the direction in which it is better ("max" or "min")."""

    name: str
    mode: str
    compute: Callable[[Prediction], float]

"""Metrics: pure functions of saved predictions.

Contract of a module `cvrun/metric/NAME.py`: its docstring, `MODE = "max"` or `"min"` (which direction is better),
`MIN_CLASSES` (with fewer classes it is left out) and `values(prediction, weights)`, which gives the metric of resamples
of a split, float64 (R,), NaN where undefined: weights, float64 (R, N), say how often each image counts in each of them.
It may have `TARGETS`, what targets it is defined for, of "class" and "labels"; without it, one class an image.
It appears in the records as `val/NAME` and can be the monitor. Metrics have no keys, so they have no YAML.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

THRESHOLD = 0.5
"""Probability from which on an image has a label, where it may have several."""


@dataclass(frozen=True)
class Prediction:
    """The output of a model on a split.

    Attributes:
        probabilities: float32 (N, K), rows sum to 1; or each in [0, 1] by itself, where an image has several labels.
        targets: Class indices, int64 (N,); or which labels an image has, 0 or 1, int64 (N, K).
    """

    probabilities: NDArray[np.float32]
    targets: NDArray[np.int64]

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """The predicted class indices, int64 (N,), the lowest index wins a tie; or labels (N, K), those from 0.5 on."""
        if self.several:
            return (self.probabilities >= THRESHOLD).astype(np.int64)
        chosen: NDArray[np.int64] = self.probabilities.argmax(axis=1).astype(np.int64)
        return chosen

    @property
    def several(self) -> bool:
        """Whether an image has any number of labels."""
        return self.targets.ndim == 2

    @property
    def num_classes(self) -> int:
        """K."""
        return int(self.probabilities.shape[1])

    @cached_property
    def once(self) -> NDArray[np.float64]:
        """The weights with which every image counts once, float64 (1, N), read-only."""
        ones = np.ones((1, len(self.targets)))
        ones.flags.writeable = False
        return ones

    @cached_property
    def kept(self) -> dict[str, Any]:
        """What one metric worked out and others need too, by name; the arrays stay as they are, so it stays true."""
        return {}


Values = Callable[[Prediction, NDArray[np.float64]], NDArray[np.float64]]
"""Prediction, weights (R, N) -> the metric of each resample, float64 (R,), NaN where undefined."""


@dataclass(frozen=True)
class Metric:
    """A metric by name, with the direction in which it is better ("max" or "min")."""

    name: str
    mode: str
    values: Values

    def compute(self, prediction: Prediction) -> float:
        """Give the metric of a prediction, each image counted once; NaN where undefined."""
        return float(self.values(prediction, prediction.once)[0])

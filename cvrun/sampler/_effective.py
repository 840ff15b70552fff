"""The effective number of images of a class: the next image of many adds less than the first ones did.

(1 - beta**n) / (1 - beta) for n images, Cui et al. 2019, "Class-balanced loss based on effective number of samples",
equation 3: 1 for beta = 0, n as beta goes to 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvrun.errors import require


def check_beta(key: str, beta: float) -> None:
    """Raise RuleError unless beta can be one."""
    require(0 <= beta < 1, key, beta, f"0 <= {key} < 1, such as 0.9, 0.99, 0.999 or 0.9999")


def effective_number(counts: NDArray[np.int64], beta: float) -> NDArray[np.float64]:
    """Give the effective number of images of classes with counts > 0 images, float64, as many as counts.

    Args:
        counts: [images]
        beta: In [0, 1).
    """
    found: NDArray[np.float64] = (1.0 - beta ** counts.astype(np.float64)) / (1.0 - beta)
    return found

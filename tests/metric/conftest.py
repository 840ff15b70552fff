from collections.abc import Callable, Sequence

import numpy as np
import pytest

from cvrun.metric import Prediction


def from_matrix(matrix: Sequence[Sequence[int]]) -> Prediction:
    """A prediction with the given confusion matrix, rows = truth."""
    cells = np.array(matrix)
    targets, labels = (np.repeat(axis.ravel(), cells.ravel()) for axis in np.indices(cells.shape))
    return Prediction(np.eye(len(cells), dtype=np.float32)[labels], targets.astype(np.int64))


@pytest.fixture
def of_matrix() -> Callable[[Sequence[Sequence[int]]], Prediction]:
    return from_matrix


@pytest.fixture
def binary() -> Prediction:
    """TP 40, FP 10, FN 20, TN 930; class 1 is the positive one."""
    return from_matrix([[930, 10], [20, 40]])


@pytest.fixture
def three_classes() -> Prediction:
    return from_matrix([[50, 3, 2], [5, 30, 5], [0, 4, 1]])

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from cvrun.metric import Prediction
from cvrun.metric._counts import counts, mean_defined, ratio, weighted_mean


def drawn(count: int = 200, classes: int = 4) -> Prediction:
    random = np.random.default_rng(0)
    return Prediction(random.random((count, classes)).astype(np.float32), random.integers(0, classes, count))


def test_counts_are_the_diagonal_and_margins_of_scikit_learns_matrix() -> None:
    prediction = drawn()
    weights = np.random.default_rng(1).integers(0, 4, (3, 200)).astype(np.float64)
    found = counts(prediction, weights)
    for row, own in enumerate(weights):
        matrix = confusion_matrix(prediction.targets, prediction.labels, labels=range(4), sample_weight=own)
        assert found.right[row].tolist() == matrix.diagonal().tolist()
        assert found.support[row].tolist() == matrix.sum(axis=1).tolist()
        assert found.predicted[row].tolist() == matrix.sum(axis=0).tolist()
        assert found.total[row, 0] == own.sum()


def test_what_is_kept_is_that_of_images_counted_once() -> None:
    prediction = drawn()
    first = counts(prediction, prediction.once)
    assert counts(prediction, prediction.once) is first
    assert counts(prediction, prediction.once * 2).total.tolist() == [[400.0]]
    assert counts(prediction, prediction.once).total.tolist() == [[200.0]]


def test_a_ratio_to_zero_is_undefined() -> None:
    found = ratio(np.array([1.0, 0.0, 3.0]), np.array([0.0, 2.0, 4.0]))
    assert np.isnan(found[0])
    assert found[1:].tolist() == [0.0, 0.75]


def test_a_mean_of_what_is_defined_has_the_bits_of_numpys() -> None:
    values = np.random.default_rng(0).random((200, 13))
    values[::2, 3:9:2] = np.nan
    assert mean_defined(values).tolist() == [row[~np.isnan(row)].mean() for row in values]


def test_means_leave_out_what_is_undefined() -> None:
    found = mean_defined(np.array([[1.0, np.nan, 0.5], [np.nan, np.nan, np.nan]]))
    assert found[0] == 0.75 and np.isnan(found[1])
    found = weighted_mean(np.array([1.0, 2.0]), np.array([[3.0, 1.0], [0.0, 0.0]]))
    assert found[0] == pytest.approx(1.25) and np.isnan(found[1])

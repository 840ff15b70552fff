import numpy as np
import pytest
from sklearn.metrics import top_k_accuracy_score

from cvrun.metric import Prediction
from cvrun.metric._top import top_accuracy


@pytest.mark.parametrize("top", [1, 2, 4])
def test_agrees_with_scikit_learn_under_weights(top: int) -> None:
    random = np.random.default_rng(top)
    probabilities, targets = random.dirichlet(np.ones(6), 150).astype(np.float32), random.integers(0, 6, 150)
    weights = random.integers(0, 3, (2, 150)).astype(np.float64)
    found = top_accuracy(top, Prediction(probabilities, targets), weights)
    for value, own in zip(found, weights, strict=True):
        expected = top_k_accuracy_score(targets, probabilities, k=top, labels=range(6), sample_weight=own)
        assert 0 < expected < 1 and value == pytest.approx(expected)


def test_more_places_than_classes_are_undefined() -> None:
    prediction = Prediction(np.eye(3, dtype=np.float32), np.arange(3))
    assert np.isnan(top_accuracy(4, prediction, prediction.once)).all()

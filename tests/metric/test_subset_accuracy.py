import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from cvrun.metric import Prediction
from cvrun.metric.subset_accuracy import values


@pytest.mark.parametrize("seed", range(4))
def test_it_is_that_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    targets = (rng.random((60, 2)) < 0.3).astype(np.int64)
    found = Prediction(rng.random((60, 2), dtype=np.float32), targets)
    assert values(found, found.once)[0] == pytest.approx(accuracy_score(targets, found.labels))


def test_an_image_without_a_label_is_right_when_none_is_predicted():
    found = Prediction(np.array([[0.1, 0.2], [0.5, 0.1]], dtype=np.float32), np.zeros((2, 2), dtype=np.int64))
    assert values(found, found.once)[0] == 0.5

import numpy as np
import pytest
from sklearn.metrics import recall_score

from cvrun.metric import Prediction
from cvrun.metric.micro_recall import values


@pytest.mark.parametrize("seed", range(4))
def test_it_is_that_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    targets = (rng.random((60, 5)) < 0.3).astype(np.int64)
    found = Prediction(rng.random((60, 5), dtype=np.float32), targets)
    wanted = recall_score(targets, found.labels, average="micro")
    assert values(found, found.once)[0] == pytest.approx(wanted)


def test_it_is_undefined_where_there_is_nothing_to_be_right_about():
    nothing = Prediction(np.full((4, 3), 0.1, dtype=np.float32), np.zeros((4, 3), dtype=np.int64))
    assert np.isnan(values(nothing, nothing.once)[0])

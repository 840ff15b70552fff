import numpy as np
import pytest
from sklearn.metrics import hamming_loss

from cvrun.metric import Prediction
from cvrun.metric.hamming_loss import values


@pytest.mark.parametrize("seed", range(4))
def test_it_is_that_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    targets = (rng.random((60, 5)) < 0.3).astype(np.int64)
    found = Prediction(rng.random((60, 5), dtype=np.float32), targets)
    assert values(found, found.once)[0] == pytest.approx(hamming_loss(targets, found.labels))

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cvrun.metric import Metric, Prediction, roc_auc

compute = Metric("roc_auc", roc_auc.MODE, roc_auc.values).compute


def drawn(seed: int, classes: int = 5, count: int = 120) -> Prediction:
    random = np.random.default_rng(seed)
    targets = random.integers(0, classes, count)
    probabilities = random.dirichlet(np.ones(classes), count).astype(np.float32)
    probabilities[np.arange(count), targets] += 0.3
    return Prediction(probabilities / probabilities.sum(axis=1, keepdims=True), targets)


def test_h12_of_two_classes_it_is_that_of_the_second() -> None:
    second = np.array([0.9, 0.7, 0.6, 0.8, 0.5], dtype=np.float32)
    assert compute(Prediction(np.stack([1 - second, second], axis=1), np.array([1, 1, 1, 0, 0]))) == pytest.approx(
        2 / 3
    )
    even = Prediction(np.stack([second, second], axis=1), np.array([0, 0, 1, 1, 1]))
    assert compute(even) == pytest.approx(roc_auc_score(even.targets, second))


@pytest.mark.parametrize("classes", [3, 6])
def test_agrees_with_scikit_learn(classes: int) -> None:
    prediction = drawn(classes, classes)
    wide = prediction.probabilities.astype(np.float64)
    wide /= wide.sum(axis=1, keepdims=True)
    expected = roc_auc_score(prediction.targets, wide, multi_class="ovr", average="macro")
    assert 0.5 < expected < 1 and compute(prediction) == pytest.approx(expected, abs=1e-6)


def test_a_class_without_images_is_left_out() -> None:
    whole = drawn(0, 3)
    wide = np.concatenate([whole.probabilities, np.zeros((120, 1), dtype=np.float32)], axis=1)
    assert compute(Prediction(wide, whole.targets)) == compute(whole)

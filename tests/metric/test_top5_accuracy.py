import numpy as np
import pytest
from sklearn.metrics import top_k_accuracy_score

from cvrun.metric import Metric, Prediction, accuracy, top5_accuracy

plain_accuracy = Metric("accuracy", accuracy.MODE, accuracy.values).compute
compute = Metric("top5_accuracy", top5_accuracy.MODE, top5_accuracy.values).compute


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_scikit_learn_where_nothing_ties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities, targets = rng.dirichlet(np.ones(12), 200).astype(np.float32), rng.integers(0, 12, 200)
    expected = top_k_accuracy_score(targets, probabilities, k=5, labels=np.arange(12))
    assert 0 < expected < 1
    assert compute(Prediction(probabilities, targets)) == pytest.approx(expected)


@pytest.mark.parametrize("num_classes", [6, 50, 1000])
def test_ties_are_taken_in_the_order_of_the_classes(num_classes: int) -> None:
    ties = np.full((num_classes, num_classes), 1 / num_classes, dtype=np.float32)
    assert compute(Prediction(ties, np.arange(num_classes))) == 5 / num_classes


def test_ties_are_broken_as_in_accuracy() -> None:
    # Four classes lead; the true class shares the fifth place with class 4 or with class 6.
    row = np.array([0.2, 0.2, 0.2, 0.2, 0.0, 0.1, 0.1], dtype=np.float32)[None]
    assert compute(Prediction(row, np.array([5]))) == 1.0
    assert compute(Prediction(row, np.array([6]))) == 0.0
    even = np.full((1, 7), 1 / 7, dtype=np.float32)
    assert (plain_accuracy(Prediction(even, np.array([0]))), plain_accuracy(Prediction(even, np.array([1])))) == (
        1.0,
        0.0,
    )


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_the_rule_where_much_ties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.integers(0, 4, (200, 9)).astype(np.float32)
    targets = rng.integers(0, 9, 200)
    ranked = [sorted(range(9), key=lambda k, row=row: (-row[k], k))[:5] for row in probabilities.tolist()]
    expected = np.mean([target in best for target, best in zip(targets.tolist(), ranked, strict=True)])
    assert 0 < expected < 1
    assert compute(Prediction(probabilities, targets)) == expected


def test_five_classes_are_all_among_the_best_five_and_fewer_are_undefined() -> None:
    assert compute(Prediction(np.eye(5, dtype=np.float32)[[0, 1]], np.array([4, 3]))) == 1.0
    assert np.isnan(compute(Prediction(np.eye(4, dtype=np.float32), np.arange(4))))

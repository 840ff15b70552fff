import numpy as np
import pytest

from cvrun.metric import Metric, Prediction, ece

compute = Metric("ece", ece.MODE, ece.values).compute


def test_m12_the_worked_example() -> None:
    probabilities = np.array([[0.1, 0.9], [0.1, 0.9], [0.4, 0.6], [0.4, 0.6]], dtype=np.float32)
    assert compute(Prediction(probabilities, np.array([1, 0, 1, 1]))) == pytest.approx(0.40, abs=1e-6)


@pytest.mark.parametrize("classes", [2, 10])
def test_agrees_with_the_definition(classes: int) -> None:
    random = np.random.default_rng(classes)
    probabilities = random.dirichlet(np.full(classes, 0.5), 300).astype(np.float32)
    targets = random.integers(0, classes, 300)
    expected = 0.0
    for b in range(15):
        inside = [
            (float(max(row)), int(np.argmax(row)) == target)
            for row, target in zip(probabilities, targets, strict=True)
            if b / 15 < float(max(row)) <= (b + 1) / 15
        ]
        if inside:
            sure, hits = (sum(column) / len(inside) for column in zip(*inside, strict=True))
            expected += len(inside) / 300 * abs(hits - sure)
    assert 0 < expected < 1 and compute(Prediction(probabilities, targets)) == pytest.approx(expected)


def test_confidence_that_is_the_accuracy_costs_nothing() -> None:
    probabilities = np.tile(np.array([[0.75, 0.25]], dtype=np.float32), (4, 1))
    assert compute(Prediction(probabilities, np.array([0, 0, 0, 1]))) == 0.0


def test_what_is_not_a_number_stays_so_without_a_warning() -> None:
    assert np.isnan(compute(Prediction(np.full((3, 2), np.nan, dtype=np.float32), np.array([0, 1, 1]))))

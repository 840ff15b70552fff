import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from cvrun.metric import Prediction
from cvrun.metric._ranking import ranking


def of_scores(scores: list[float], truth: list[int]) -> Prediction:
    second = np.array(scores, dtype=np.float32)
    return Prediction(np.stack([1 - second, second], axis=1), np.array(truth))


def test_h12_the_worked_examples() -> None:
    prediction = of_scores([0.9, 0.7, 0.6, 0.8, 0.5], [1, 1, 1, 0, 0])
    area, precision = ranking(prediction, prediction.once)
    assert area[0] == pytest.approx([4 / 6, 4 / 6])
    # The ranking is 1, 0, 1, 1, 0.
    assert precision[0, 1] == pytest.approx(0.80556, abs=5e-6)


def test_h12_ties_count_half() -> None:
    prediction = of_scores([0.5, 0.5, 0.75, 0.25], [1, 0, 1, 0])
    # Of the four pairs three are in order and one is tied.
    assert ranking(prediction, prediction.once)[0][0, 1] == 3.5 / 4


@pytest.mark.parametrize("levels", [3, 10, 10**6])
@pytest.mark.parametrize("classes", [2, 4])
def test_agrees_with_scikit_learn_under_weights(levels: int, classes: int) -> None:
    random = np.random.default_rng(levels)
    probabilities = (random.integers(1, levels + 1, (90, classes)) / levels).astype(np.float32)
    prediction = Prediction(probabilities, random.integers(0, classes, 90))
    weights = np.concatenate([random.integers(0, 4, (3, 90)).astype(np.float64), random.random((2, 90))])
    area, precision = ranking(prediction, weights)
    for row, own in enumerate(weights):
        for k in range(classes):
            truth, scores = prediction.targets == k, probabilities[:, k]
            assert area[row, k] == pytest.approx(roc_auc_score(truth, scores, sample_weight=own))
            assert precision[row, k] == pytest.approx(average_precision_score(truth, scores, sample_weight=own))


def test_a_class_of_none_or_of_all_has_no_area() -> None:
    prediction = of_scores([0.2, 0.6, 0.3], [1, 1, 1])
    area, precision = ranking(prediction, np.array([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]))
    assert np.isnan(area).all()
    assert np.isnan(precision[:, 0]).all() and precision[0, 1] == 1.0 and np.isnan(precision[1, 1])


def test_what_is_kept_is_that_of_images_counted_once() -> None:
    prediction = of_scores([0.9, 0.7, 0.6, 0.8, 0.5], [1, 1, 1, 0, 0])
    first = ranking(prediction, prediction.once)
    others = np.array([[1.0, 0.0, 0.0, 1.0, 1.0]])
    assert ranking(prediction, others)[0][0, 1] == 1.0 and ranking(prediction, others)[0][0, 1] == 1.0
    assert ranking(prediction, prediction.once)[0] is first[0]


def test_probabilities_that_are_no_numbers_have_no_area() -> None:
    probabilities = np.array([[0.5, np.nan], [0.2, 0.8]], dtype=np.float32)
    prediction = Prediction(probabilities, np.array([0, 1]))
    assert np.isnan(ranking(prediction, prediction.once)).tolist() == [[[False, True]]] * 2

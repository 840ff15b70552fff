from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support, recall_score

from cvrun.metric import Metric, Prediction
from cvrun.options import load, module_names

NAMES = module_names("metric")


def compute(name: str) -> Callable[[Prediction], float]:
    module = load("metric", name)
    return Metric(name, module.MODE, module.values).compute


def prediction(num_images: int, num_classes: int, seed: int = 0) -> Prediction:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(num_classes, 0.3), num_images).astype(np.float32)
    return Prediction(probabilities, rng.integers(0, num_classes, num_images))


def perfect(num_classes: int) -> Prediction:
    return Prediction(np.eye(num_classes, dtype=np.float32), np.arange(num_classes))


def test_the_metrics_are_these() -> None:
    expected = {"loss", "accuracy", "top5_accuracy", "balanced_accuracy", "macro_precision", "macro_recall", "macro_f1"}
    expected |= {"top3_accuracy", "macro_specificity", "macro_npv", "macro_f2", "macro_f05", "weighted_precision"}
    expected |= {"weighted_f1", "mcc", "kappa", "roc_auc", "mean_average_precision", "brier", "ece"}
    assert expected <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("num_images", "num_classes"), [(1, 5), (12, 4), (60, 2), (80, 7)])
def test_weights_that_are_whole_numbers_are_images_that_come_as_often(
    name: str, num_images: int, num_classes: int
) -> None:
    whole = prediction(num_images, num_classes)
    weights = np.random.default_rng(5).integers(0, 3, (6, num_images)).astype(np.float64)
    found = load("metric", name).values(whole, weights)
    assert found.shape == (6,) and found.dtype == np.float64
    for value, own in zip(found, weights, strict=True):
        times = own.astype(np.int64)
        repeated = Prediction(np.repeat(whole.probabilities, times, axis=0), np.repeat(whole.targets, times))
        assert value == pytest.approx(compute(name)(repeated), rel=1e-9, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("name", NAMES)
def test_the_scale_of_the_weights_does_not_matter(name: str) -> None:
    whole = prediction(80, 6)
    values = load("metric", name).values
    weights = np.random.default_rng(5).integers(0, 3, (3, 80)).astype(np.float64)
    assert values(whole, weights / 80) == pytest.approx(values(whole, weights), rel=1e-9)


def test_h9_a_split_of_one_kind_is_seen_by_balanced_accuracy_and_not_by_accuracy() -> None:
    negative = Prediction(np.tile(np.array([[1, 0]], dtype=np.float32), (100, 1)), np.repeat([0, 1], [95, 5]))
    assert (compute("accuracy")(negative), compute("balanced_accuracy")(negative)) == (0.95, 0.5)


@pytest.mark.parametrize("seed", range(3))
def test_micro_means_of_one_class_an_image_are_accuracy(seed: int) -> None:
    whole = prediction(90, 5, seed)
    columns = precision_recall_fscore_support(whole.targets, whole.labels, average="micro")[:3]
    recall = recall_score(whole.targets, whole.labels, average="weighted")
    assert [*columns, recall] == pytest.approx([compute("accuracy")(whole)] * 4)


@pytest.mark.parametrize("classes", [10, 100])
def test_h14_chance_at_the_top(classes: int) -> None:
    ties = Prediction(np.full((classes, classes), 1 / classes, dtype=np.float32), np.arange(classes))
    found = [compute(name)(ties) for name in ("accuracy", "top3_accuracy", "top5_accuracy")]
    assert found == pytest.approx([1 / classes, 3 / classes, 5 / classes])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("num_images", "num_classes"), [(1, 2), (1, 10), (7, 5), (300, 10), (50, 100)])
def test_gives_a_python_float_without_a_warning(name: str, num_images: int, num_classes: int) -> None:
    value = compute(name)(prediction(num_images, num_classes))
    assert type(value) is float
    if num_images > 1:
        assert value >= (-1 if name in ("mcc", "kappa") else 0)
        assert value <= 1 or load("metric", name).MODE == "min"


@pytest.mark.parametrize("name", NAMES)
def test_a_perfect_prediction_has_the_best_value_of_its_mode(name: str) -> None:
    module = load("metric", name)
    best = {"max": 1.0, "min": 0.0}[module.MODE]
    assert compute(name)(perfect(10)) == best
    wrong = Prediction(np.roll(np.eye(10, dtype=np.float32), 5, axis=1), np.arange(10))
    assert (compute(name)(wrong) < best) if module.MODE == "max" else (compute(name)(wrong) > best)


@pytest.mark.parametrize("name", NAMES)
def test_no_images_is_undefined(name: str) -> None:
    empty = Prediction(np.zeros((0, 10), dtype=np.float32), np.zeros(0, dtype=np.int64))
    assert np.isnan(compute(name)(empty))


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_the_images_does_not_matter(name: str) -> None:
    whole = prediction(200, 10)
    order = np.random.default_rng(1).permutation(200)
    shuffled = Prediction(whole.probabilities[order], whole.targets[order])
    assert compute(name)(shuffled) == pytest.approx(compute(name)(whole), rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_the_prediction_is_left_as_it_is(name: str) -> None:
    given, same = prediction(20, 6), prediction(20, 6)
    compute(name)(given)
    assert np.array_equal(given.probabilities, same.probabilities)
    assert np.array_equal(given.targets, same.targets)


@pytest.mark.parametrize("name", NAMES)
def test_fewest_classes_are_a_positive_number(name: str) -> None:
    module = load("metric", name)
    assert module.MIN_CLASSES >= 1
    assert not np.isnan(compute(name)(perfect(module.MIN_CLASSES)))

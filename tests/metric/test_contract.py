from collections.abc import Callable

import numpy as np
import pytest

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
    assert expected <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("num_images", "num_classes"), [(1, 2), (1, 10), (7, 5), (300, 10), (50, 100)])
def test_gives_a_python_float_without_a_warning(name: str, num_images: int, num_classes: int) -> None:
    value = compute(name)(prediction(num_images, num_classes))
    assert type(value) is float
    assert value >= 0 or num_classes < 5


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

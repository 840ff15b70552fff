import numpy as np
import pytest

from cvrun.metric import Prediction
from cvrun.metric._table import MEANS, by_support, confusion_matrix, macro, or_none, per_class, undefined


def random_prediction(seed: int, num_images: int, num_classes: int) -> Prediction:
    rng = np.random.default_rng(seed)
    # Only some classes occur, so that undefined values do too.
    occurring = rng.choice(num_classes, size=max(1, num_classes // 2), replace=False)
    probabilities = rng.random((num_images, num_classes)).astype(np.float32)
    probabilities[:, rng.choice(num_classes, size=num_classes // 3, replace=False)] = 0
    return Prediction(probabilities / probabilities.sum(axis=1, keepdims=True), rng.choice(occurring, num_images))


def areas(scores: np.ndarray, own: np.ndarray) -> dict[str, float | None]:
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[own] for b in scores[~own]]
    precisions = [(own & (scores >= a)).sum() / (scores >= a).sum() for a in scores[own]]
    return {
        "roc_auc": float(np.mean(pairs)) if pairs else None,
        "average_precision": float(np.mean(precisions)) if precisions else None,
    }


def brute_force(prediction: Prediction) -> list[dict[str, float | None]]:
    pairs = [
        (int(target), max(range(len(row)), key=lambda k, row=row: (row[k], -k)))
        for target, row in zip(prediction.targets, prediction.probabilities.tolist(), strict=True)
    ]
    rows: list[dict[str, float | None]] = []
    for k in range(prediction.num_classes):
        tp = sum(t == k and p == k for t, p in pairs)
        fp = sum(t != k and p == k for t, p in pairs)
        fn = sum(t == k and p != k for t, p in pairs)
        tn = len(pairs) - tp - fp - fn
        sensitivity = tp / (tp + fn) if tp + fn else None
        specificity = tn / (tn + fp) if tn + fp else None
        both = sensitivity is not None and specificity is not None
        rows.append(
            {
                "support": tp + fn,
                "precision": tp / (tp + fp) if tp + fp else None,
                "recall": sensitivity,
                "f1": 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else None,
                "specificity": specificity,
                "npv": tn / (tn + fn) if tn + fn else None,
                "lr_positive": sensitivity / (1 - specificity) if both and specificity < 1 else None,
                "lr_negative": (1 - sensitivity) / specificity if both and specificity > 0 else None,
                **areas(prediction.probabilities[:, k], prediction.targets == k),
            }
        )
    return rows


def test_confusion_matrix_has_the_truth_in_its_rows(three_classes: Prediction) -> None:
    matrix = confusion_matrix(three_classes)
    assert matrix.tolist() == [[50, 3, 2], [5, 30, 5], [0, 4, 1]]
    assert matrix.dtype == np.int64


def test_the_worked_example(binary: Prediction) -> None:
    row = per_class(binary)[1]
    assert row["support"] == 60
    assert [row["precision"], row["recall"], row["f1"]] == pytest.approx([0.8, 0.66667, 0.72727], abs=5e-6)
    assert [row["specificity"], row["npv"]] == pytest.approx([0.98936, 0.97895], abs=5e-6)


def test_m8_the_likelihood_ratios_of_the_worked_example(binary: Prediction) -> None:
    row = per_class(binary)[1]
    assert (round(row["lr_positive"], 2), round(row["lr_negative"], 4)) == (62.67, 0.3369)


def test_m8_without_a_false_alarm_the_positive_ratio_has_no_value(of_matrix) -> None:
    row = per_class(of_matrix([[9, 0], [2, 4]]))[1]
    assert row["lr_positive"] is None and row["lr_negative"] == pytest.approx(2 / 6)


def test_each_mean_says_how_many_classes_it_leaves_out(of_matrix) -> None:
    # Class 2 has no images but is predicted; class 3 occurs nowhere.
    prediction = of_matrix([[8, 1, 1, 0], [0, 9, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    assert undefined(prediction) == {
        "balanced_accuracy": 2,
        "macro_f05": 1,
        "macro_f1": 1,
        "macro_f2": 1,
        "macro_precision": 1,
        "macro_recall": 2,
        "mean_average_precision": 2,
        "roc_auc": 2,
        "weighted_f1": 1,
        "weighted_precision": 1,
    }


def test_where_all_is_defined_nothing_is_left_out(binary: Prediction) -> None:
    assert undefined(binary) == {}


def test_means_by_support_leave_out_what_is_undefined(of_matrix) -> None:
    prediction = of_matrix([[8, 2, 0], [1, 4, 0], [3, 2, 0]])
    weights = np.stack([prediction.once[0], np.zeros(20)])
    found = by_support("precision", prediction, weights)
    assert found[0] == pytest.approx((10 * 8 / 12 + 5 * 4 / 8) / 15) and np.isnan(found[1])


def test_none_stands_for_what_is_undefined() -> None:
    assert (or_none(float("nan")), or_none(0.0)) == (None, 0.0)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("num_images", "num_classes"), [(1, 1), (3, 7), (60, 4), (60, 12)])
def test_agrees_with_brute_force(seed: int, num_images: int, num_classes: int) -> None:
    prediction = random_prediction(seed, num_images, num_classes)
    expected = brute_force(prediction)
    for result, row in zip(per_class(prediction), expected, strict=True):
        assert result.keys() == row.keys()
        assert [value is None for value in result.values()] == [value is None for value in row.values()]
        defined = {name: value for name, value in row.items() if value is not None}
        assert {name: result[name] for name in defined} == pytest.approx(defined, rel=1e-12)
    for name in ("precision", "recall", "f1", "specificity", "npv"):
        values = [row[name] for row in expected if row[name] is not None]
        mean = sum(values) / len(values) if values else np.nan
        assert macro(name, prediction, prediction.once)[0] == pytest.approx(mean, rel=1e-12, nan_ok=True)
    found = undefined(prediction)
    for metric, score in MEANS.items():
        # Of two classes roc_auc is that of one of them; there are none of two here.
        if score in expected[0]:
            assert found.get(metric, 0) == sum(row[score] is None for row in expected)


@pytest.mark.parametrize("seed", range(3))
def test_confusion_matrix_agrees_with_brute_force(seed: int) -> None:
    prediction = random_prediction(seed, 50, 6)
    expected = [[0] * 6 for _ in range(6)]
    for target, row in zip(prediction.targets.tolist(), prediction.probabilities.tolist(), strict=True):
        expected[target][row.index(max(row))] += 1
    assert confusion_matrix(prediction).tolist() == expected


def test_without_images_every_score_is_undefined() -> None:
    empty = Prediction(np.zeros((0, 2), dtype=np.float32), np.zeros(0, dtype=np.int64))
    for row in per_class(empty):
        assert row.pop("support") == 0 and set(row.values()) == {None}
    assert set(undefined(empty)) == set(MEANS) and undefined(empty)["macro_f1"] == 2
    assert undefined(empty)["roc_auc"] == 1
    assert confusion_matrix(empty).tolist() == [[0, 0], [0, 0]]


def test_rows_are_plain_python_numbers(binary: Prediction) -> None:
    assert {type(value) for row in per_class(binary) for value in row.values()} == {int, float}

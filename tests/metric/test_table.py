import numpy as np
import pytest

from cvrun.metric import Prediction
from cvrun.metric._table import confusion_matrix, macro, per_class


def random_prediction(seed: int, num_images: int, num_classes: int) -> Prediction:
    rng = np.random.default_rng(seed)
    # Only some classes occur, so that undefined values do too.
    occurring = rng.choice(num_classes, size=max(1, num_classes // 2), replace=False)
    probabilities = rng.random((num_images, num_classes)).astype(np.float32)
    probabilities[:, rng.choice(num_classes, size=num_classes // 3, replace=False)] = 0
    return Prediction(probabilities / probabilities.sum(axis=1, keepdims=True), rng.choice(occurring, num_images))


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
        rows.append(
            {
                "support": tp + fn,
                "precision": tp / (tp + fp) if tp + fp else None,
                "recall": tp / (tp + fn) if tp + fn else None,
                "f1": 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else None,
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
    for name in ("precision", "recall", "f1"):
        values = [row[name] for row in expected if row[name] is not None]
        assert macro(name, prediction, prediction.once)[0] == pytest.approx(sum(values) / len(values), rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_confusion_matrix_agrees_with_brute_force(seed: int) -> None:
    prediction = random_prediction(seed, 50, 6)
    expected = [[0] * 6 for _ in range(6)]
    for target, row in zip(prediction.targets.tolist(), prediction.probabilities.tolist(), strict=True):
        expected[target][row.index(max(row))] += 1
    assert confusion_matrix(prediction).tolist() == expected


def test_without_images_every_score_is_undefined() -> None:
    empty = Prediction(np.zeros((0, 2), dtype=np.float32), np.zeros(0, dtype=np.int64))
    assert per_class(empty) == [{"support": 0, "precision": None, "recall": None, "f1": None}] * 2
    assert confusion_matrix(empty).tolist() == [[0, 0], [0, 0]]


def test_rows_are_plain_python_numbers(binary: Prediction) -> None:
    assert {type(value) for row in per_class(binary) for value in row.values()} == {int, float}

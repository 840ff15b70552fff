"""What a report shows of predictions: curves of each class, reliability, and the images that are most wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvrun.audit.suspects import read
from cvrun.cutoff import selective
from cvrun.errors import CheckpointError, DataError
from cvrun.metric import Prediction
from cvrun.metric._confidence import confidence
from cvrun.metric._curves import Curve, pr_curve, reliability, roc_curve
from cvrun.metric._threshold import at_threshold
from cvrun.report.run_record import Case, ClassCurves, Looked, Risk

MOST_CASES = 12
_MOST_POINTS = 200
_MOST_CLASSES = 25
_FEW_CLASSES, _CALLS = 3, 6
THRESHOLDS = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Probabilities at which each class is looked at against all others."""

Pictures = Callable[[Sequence[str]], tuple[dict[str, bytes], str]]
"""Ids -> a PNG of each that there is, and why there are none (or nothing)."""


def looked_at(path: Path, pictures: Pictures) -> Looked | None:
    """Give what predictions/val.npz says; None where there is no such file, or images have any number of labels.

    Args:
        path: The file.
        pictures: Where small pictures come from; asked once.

    Raises:
        CheckpointError: If the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        read_in = read(path, several=None)
    except DataError as error:
        raise CheckpointError(str(error)) from error
    if read_in.labels.ndim == 2:
        return None
    prediction = Prediction(read_in.probabilities.astype(np.float32), read_in.labels)
    ids, classes = read_in.ids, read_in.classes
    worst, confident, errors = _most_wrong(prediction)
    calls = {name: _calls(prediction, k) for k, name in enumerate(classes)} if len(classes) <= _FEW_CLASSES else {}
    rows = list(dict.fromkeys([*worst, *confident, *(i for two in calls.values() for rows in two for i in rows)]))
    found, why = pictures([ids[i] for i in rows])
    cases = {i: _case(prediction, i, ids[i], classes, found.get(ids[i])) for i in rows}
    return Looked(
        images=len(ids),
        curves=[_of_class(prediction, k, name) for k, name in enumerate(classes)],
        reliability=reliability(prediction),
        errors=errors,
        worst=[cases[i] for i in worst],
        confident=[cases[i] for i in confident],
        no_pictures=why,
        thresholds={name: _at_thresholds(prediction, k) for k, name in enumerate(classes[:_MOST_CLASSES])},
        risk=_risk(prediction),
        calls={name: ([cases[i] for i in fn], [cases[i] for i in fp]) for name, (fn, fp) in calls.items()},
    )


def _most_wrong(prediction: Prediction) -> tuple[list[int], list[int], int]:
    """Give the rows of the highest loss, those of the most confident errors, and how many errors there are."""
    loss = _losses(prediction)
    wrong = np.flatnonzero(prediction.labels != prediction.targets)
    sure = prediction.probabilities.max(axis=1)[wrong]
    worst = np.argsort(-loss, kind="stable")[:MOST_CASES].tolist()
    return worst, wrong[np.argsort(-sure, kind="stable")][:MOST_CASES].tolist(), len(wrong)


def _calls(prediction: Prediction, k: int) -> tuple[list[int], list[int]]:
    """Give the rows that class k is missed in, its least probable first, and falsely called in, the most probable."""
    called, own, scores = prediction.labels == k, prediction.targets == k, prediction.probabilities[:, k]
    missed, false = np.flatnonzero(own & ~called), np.flatnonzero(called & ~own)
    missed = missed[np.argsort(scores[missed], kind="stable")][:_CALLS]
    return missed.tolist(), false[np.argsort(-scores[false], kind="stable")][:_CALLS].tolist()


def _losses(prediction: Prediction) -> NDArray[np.float64]:
    true = prediction.probabilities[np.arange(len(prediction.targets)), prediction.targets].astype(np.float64)
    # A probability of 0 in float32 is below its smallest number.
    losses: NDArray[np.float64] = -np.log(np.maximum(true, np.finfo(np.float32).tiny))
    return losses


def _case(prediction: Prediction, i: int, name: str, classes: Sequence[str], picture: bytes | None) -> Case:
    target, label = int(prediction.targets[i]), int(prediction.labels[i])
    row = prediction.probabilities[i]
    loss = float(_losses(Prediction(row[None], prediction.targets[i : i + 1]))[0])
    return Case(name, classes[target], classes[label], float(row[target]), float(row[label]), loss, picture)


def _of_class(prediction: Prediction, k: int, name: str) -> ClassCurves:
    from sklearn.metrics import average_precision_score, roc_auc_score

    truth, scores = prediction.targets == k, prediction.probabilities[:, k]
    roc, pr = roc_curve(scores, truth), pr_curve(scores, truth)
    area = float(roc_auc_score(truth, scores)) if roc else None
    precision = float(average_precision_score(truth, scores)) if pr else None
    return ClassCurves(name, _points(roc), _points(pr), area, precision)


def _at_thresholds(prediction: Prediction, k: int) -> list[dict[str, Any]]:
    truth, scores = prediction.targets == k, prediction.probabilities[:, k].astype(np.float64)
    return [{"threshold": each, **at_threshold(scores, truth, each)} for each in THRESHOLDS]


def _risk(prediction: Prediction) -> Risk:
    found = selective(confidence(prediction), prediction.labels == prediction.targets)
    kept = _thinned(len(found.coverage))
    coverage, risk, least = (column[kept].tolist() for column in (found.coverage, found.risk, found.thresholds))
    return Risk(coverage, risk, least, found.aurc)


def _thinned(points: int) -> NDArray[np.int64]:
    """Give the places of points that are kept, the first and the last among them."""
    spaced = np.linspace(0, points - 1, min(_MOST_POINTS, points)).round().astype(np.int64)
    kept: NDArray[np.int64] = np.unique(spaced)
    return kept


def _points(curve: Curve | None) -> tuple[list[float], list[float]] | None:
    """Give the points of a curve, thinned, its ends kept."""
    if curve is None:
        return None
    kept = _thinned(len(curve.x))
    return curve.x[kept].tolist(), curve.y[kept].tolist()

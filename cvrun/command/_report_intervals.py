"""A run for its report, with the intervals of evaluations that saved none: those at the end of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cvrun import bootstrap
from cvrun.audit.suspects import read
from cvrun.command._intervals import saved_clusters, uncertainty
from cvrun.errors import CheckpointError, DataError
from cvrun.folder import RunFolder
from cvrun.metric import Prediction
from cvrun.metric._table import confusion_matrix
from cvrun.prepare import metrics_of
from cvrun.report.run_record import Looked, RunRecord, read_record


def record_of(folder: RunFolder, rows: Sequence[Mapping[str, Any]], looked: Looked | None) -> RunRecord:
    """Give a run, each of its evaluations with 95% intervals where their predictions are there.

    Args:
        folder: Of the run.
        rows: Its records.
        looked: What was worked out of its predictions.

    Raises:
        CheckpointError: If predictions are damaged, or other ones than those that were measured.
    """
    record = read_record(folder, rows, looked)
    return replace(record, evaluated={part: _sure(folder, part, each) for part, each in record.evaluated.items()})


def _sure(folder: RunFolder, part: str, details: Mapping[str, Any]) -> Mapping[str, Any]:
    path = folder.predictions / f"{part}.npz"
    if not details or not path.is_file():
        return details
    try:
        found = read(path, several=None)
    except DataError as error:
        raise CheckpointError(str(error)) from error
    prediction = Prediction(found.probabilities.astype(np.float32), found.labels)
    matrix = details.get("confusion_matrix")
    if matrix is not None and not prediction.several and matrix != confusion_matrix(prediction).tolist():
        message = f"{path}: other predictions than those that {path.stem}.json counts, expected the same"
        raise CheckpointError(message, "cvrun eval RUN writes it anew")
    if "intervals" in details:
        return details
    metrics = metrics_of(len(found.classes), "labels" if prediction.several else "class")
    known = details.get("metrics", {})
    wanted = [metric for metric in metrics if metric.name in known]
    return {**details, **uncertainty(prediction, wanted, saved_clusters(folder, found.ids, part), bootstrap.RESAMPLES)}

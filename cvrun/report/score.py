"""The 95% interval of a metric: what the evaluation says, or Wilson's for a share of images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cvrun.interval import wilson
from cvrun.report.run_record import RunRecord


def interval_of(record: RunRecord, part: str, name: str) -> tuple[float, float] | None:
    """Give the interval of a metric, low and high; None where it is not known.

    Args:
        record: The run.
        part: val, train or test.
        name: Of the metric, such as accuracy.
    """
    details = record.evaluated.get(part, {})
    intervals = details.get("intervals")
    found = _ends(intervals.get(name)) if isinstance(intervals, Mapping) else None
    if found is not None or name != "accuracy":
        return found
    counted = correct(details)
    return wilson(*counted) if counted else None


def correct(details: Mapping[str, Any]) -> tuple[int, int] | None:
    """Give how many images of an evaluation were right, and of how many, out of its confusion matrix."""
    matrix = details.get("confusion_matrix")
    if not isinstance(matrix, list) or not matrix or not all(isinstance(row, list) for row in matrix):
        return None
    total = sum(sum(row) for row in matrix)
    return (sum(row[i] for i, row in enumerate(matrix)), total) if total else None


def _ends(value: Any) -> tuple[float, float] | None:
    """Give the ends of an interval, written as a list or with names."""
    if isinstance(value, Mapping):
        value = [value.get("low"), value.get("high")]
    if not isinstance(value, list) or len(value) != 2 or not all(type(end) in (int, float) for end in value):
        return None
    return float(value[0]), float(value[1])

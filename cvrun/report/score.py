"""The 95% interval of a metric, as its evaluation says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cvrun.report.run_record import RunRecord


def interval_of(record: RunRecord, part: str, name: str) -> tuple[float, float] | None:
    """Give the interval of a metric, low and high; None where it is not known.

    Args:
        record: The run.
        part: val, train or test.
        name: Of the metric, such as accuracy.
    """
    intervals = record.evaluated.get(part, {}).get("intervals")
    return _ends(intervals.get(name)) if isinstance(intervals, Mapping) else None


def _ends(value: Any) -> tuple[float, float] | None:
    """Give the ends of an interval, written as a list or with names."""
    if isinstance(value, Mapping):
        value = [value.get("low"), value.get("high")]
    if not isinstance(value, list) or len(value) != 2 or not all(type(end) in (int, float) for end in value):
        return None
    return float(value[0]), float(value[1])

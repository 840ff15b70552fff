"""Reading records.jsonl while it grows, or after a crash."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cvrun.folder import finite
from cvrun.logger import Header


def read_records(path: Path) -> list[dict[str, Any]]:
    """Give the records of a file in order; a line that is not whole, such as a torn last one, is passed over."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [record for line in lines if (record := _record(line)) is not None]


def stays(record: dict[str, Any], header: Header) -> bool:
    """Whether a record of an earlier process counts: this one writes anew what comes later, and the last of all."""
    is_evaluation = any(name.startswith("val/") for name in record)
    last = header.evaluated if is_evaluation else header.step
    return bool(record["step"] <= last) and "best/step" not in record


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or type(record.get("step")) is not int:
        return None
    # A record is flat: what is nested was not written by this program, and may be too deep to be written again.
    if any(isinstance(value, dict | list) for value in record.values()):
        return None
    return dict(finite(record))

"""A frozen ensemble: FOLDER/ensemble.json says which runs with which weights, and how they are merged."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvrun.ensemble import MERGES, PICKS, Probabilities, merged
from cvrun.errors import CheckpointError

NAME = "ensemble.json"
FORMAT = 1
GREEDY = "greedy"
"""The mean of models that were selected."""

_MAX_BYTES = 16 << 20
_NAME_MAX, _PATH_MAX = 255, 4000
"""[bytes], [characters] Longest names and paths of Linux, the latter with room for what stands before it."""

_MOST = 1000
"""[runs] More are no ensemble."""


@dataclass(frozen=True)
class Part:
    """A run in an ensemble.

    Attributes:
        run: Its folder.
        run_id: Its id.
        step: Of its best weights.
        weights: sha256 (hex) of their content.
        picks: How often it counts; 0: it was not selected.
    """

    run: Path
    run_id: str
    step: int
    weights: str
    picks: int


@dataclass(frozen=True)
class Ensemble:
    """Runs that predict together.

    Attributes:
        parts: The runs.
        merge: One of cvrun.ensemble.MERGES, or GREEDY.
        tta: Whether each run predicts with its own test-time augmentation.
        classes: Names, in order.
    """

    parts: tuple[Part, ...]
    merge: str
    tta: bool
    classes: tuple[str, ...]

    @property
    def id(self) -> str:
        """8 hex digits, equal for what predicts the same: weights, how they are merged and how much each counts."""
        counted = [(part.weights, part.picks) for part in self.parts]
        return hashlib.sha256(repr((self.merge, self.tta, self.classes, counted)).encode()).hexdigest()[:8]

    @property
    def used(self) -> tuple[Part, ...]:
        """The runs that count."""
        return tuple(part for part in self.parts if part.picks)

    def merge_used(self, probabilities: Sequence[Probabilities]) -> NDArray[np.float32]:
        """Give the probabilities (N, K) of the runs in used as those of the ensemble, (N, K)."""
        how = "mean" if self.merge == GREEDY else self.merge
        return merged(probabilities, how, [part.picks for part in self.used]).astype(np.float32)


def content(ensemble: Ensemble, folder: Path, more: Mapping[str, Any]) -> bytes:
    """Give the file of an ensemble.

    Args:
        ensemble: What it says.
        folder: Where it will lie: runs are named from there on, so that both can be moved together.
        more: What it says beside that, for people.
    """
    whole = sum(part.picks for part in ensemble.parts)
    rows = [
        {
            "run": os.path.relpath(part.run.resolve(), folder.resolve()),
            "run_id": part.run_id,
            "step": part.step,
            "weights": part.weights,
            "picks": part.picks,
            "share": part.picks / whole,
        }
        for part in ensemble.parts
    ]
    about = {"format": FORMAT, "id": ensemble.id, "merge": ensemble.merge, "tta": ensemble.tta}
    whole_content = {**about, "classes": list(ensemble.classes), "members": rows, **more}
    return json.dumps(whole_content, indent=2).encode() + b"\n"


def read(path: Path) -> Ensemble:
    """Give a saved ensemble.

    Raises:
        CheckpointError: If it cannot be read, or is not as `cvrun ensemble` writes it.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
        if len(text) > _MAX_BYTES:
            raise ValueError(f"more than {_MAX_BYTES:,} bytes")
        found = json.loads(text)
        ensemble = _checked(found, path.parent)
        if found.get("id") != ensemble.id:
            raise ValueError(f"its id is not {ensemble.id}, so it has been changed since")
        return ensemble
    except (OSError, ValueError, RecursionError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise CheckpointError(f"{path}: {reason}, expected what cvrun ensemble writes") from error


def _checked(content: Any, folder: Path) -> Ensemble:
    if not isinstance(content, dict) or type(content.get("format")) is not int or content["format"] != FORMAT:
        raise ValueError(f"no ensemble of format {FORMAT}")
    classes, merge, tta = content.get("classes"), content.get("merge"), content.get("tta")
    if not isinstance(classes, list) or not classes or not all(isinstance(name, str) for name in classes):
        raise ValueError("classes are no list of names")
    if merge not in (*MERGES, GREEDY) or not isinstance(tta, bool):
        raise ValueError("merge or tta is none that there is")
    rows = content.get("members")
    if not isinstance(rows, list) or not 2 <= len(rows) <= _MOST:
        raise ValueError(f"members are no list of 2 to {_MOST:,} runs")
    parts = tuple(_part(row, folder) for row in rows)
    if not any(part.picks for part in parts):
        raise ValueError("no member counts")
    return Ensemble(parts, merge, tta, tuple(classes))


def _part(row: Any, folder: Path) -> Part:
    kinds = {"run": str, "run_id": str, "step": int, "weights": str, "picks": int}
    if not isinstance(row, dict) or any(type(row.get(name)) is not kind for name, kind in kinds.items()):
        raise ValueError(f"a member has not {', '.join(kinds)}")
    longest = max(len(name.encode(errors="replace")) for name in row["run"].split("/"))
    if not 0 <= row["picks"] <= PICKS or "\0" in row["run"] or longest > _NAME_MAX or len(row["run"]) > _PATH_MAX:
        raise ValueError("a member has picks or a folder that cannot be")
    run = Path(os.path.normpath(folder.resolve() / row["run"]))
    return Part(run, row["run_id"], row["step"], row["weights"], row["picks"])

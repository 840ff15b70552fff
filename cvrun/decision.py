"""A frozen decision: what a run's probabilities are calibrated with, which label follows, and which are rejected.

RUN/decision.json holds it, JSON alone: `format`, the run and the weights that it belongs to (`run_id`, `step`, and
`weights`: sha256 of their content, as in the ledger of test sets), `classes`, the four parts (`temperature`,
`operating_point`, `thresholds`, `reject`, each null where it was not fitted), and how they were found.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvrun.errors import CheckpointError

NAME = "decision.json"
FORMAT = 1
REJECTED = -1
"""Label of an image on which nothing is decided."""

LOWEST = float(np.finfo(np.float32).tiny)
"""Probability that counts instead of a smaller one: its logarithm is finite."""

WARMEST, COLDEST = 100.0, 0.01
"""Between these a temperature lies."""

_MAX_BYTES = 16 << 20
_AGAIN = "cvrun calibrate RUN --force fits it again, --no-decision goes on without it"


@dataclass(frozen=True)
class Decision:
    """What is done with the probabilities of a model.

    Attributes:
        classes: Names, in order.
        weights: sha256 (hex) of the content of the weights for which it was fitted.
        temperature: > 0, what the logits are divided by; 1 changes nothing.
        positive: Class index of the operating point, or None.
        threshold: In [0, 1]: from this calibrated probability on an image is called positive. None without positive.
        thresholds: One a class, each in (0, 1]: the label is the class of the largest probability / threshold. Or None.
        least: In [0, 1]: an image whose highest calibrated probability is below it is rejected; 0 rejects none.
    """

    classes: tuple[str, ...]
    weights: str = ""
    temperature: float = 1.0
    positive: int | None = None
    threshold: float | None = None
    thresholds: tuple[float, ...] | None = None
    least: float = 0.0

    def apply(
        self, probabilities: NDArray[np.float32] | NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Give the label of each image, int64 (N,), -1 for rejected; and the calibrated probabilities, float64 (N, K).

        Args:
            probabilities: Of the model, (N, K), rows sum to 1.
        """
        calibrated = tempered(probabilities, self.temperature)
        found = self.decide(calibrated)
        return np.where(calibrated.max(axis=1, initial=0.0) >= self.least, found, REJECTED), calibrated

    def decide(self, calibrated: NDArray[np.float64]) -> NDArray[np.int64]:
        """Give the label of each image, int64 (N,), as if none were rejected; the lowest index wins a tie.

        Args:
            calibrated: Probabilities, (N, K).
        """
        scores = calibrated
        if self.thresholds is not None:
            scores = calibrated / np.array(self.thresholds)
        if self.positive is None or self.threshold is None:
            return np.asarray(scores.argmax(axis=1), dtype=np.int64)
        others = calibrated.copy()
        others[:, self.positive] = -1.0
        called = calibrated[:, self.positive] >= self.threshold
        return np.where(called, self.positive, others.argmax(axis=1)).astype(np.int64)


def log_probabilities(probabilities: NDArray[np.float32] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the natural logarithms, float64 of the same shape; below LOWEST that of LOWEST."""
    found: NDArray[np.float64] = np.log(np.maximum(probabilities.astype(np.float64), LOWEST))
    return found


def tempered(probabilities: NDArray[np.float32] | NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Give softmax(log p / T), float64 (N, K): flatter for T > 1; the order of the classes of an image stays.

    Logits and log-probabilities differ by a number an image, which softmax takes out, so it is temperature scaling.

    Source: C. Guo et al., On calibration of modern neural networks, ICML 2017, equation 9.

    Args:
        probabilities: (N, K), rows sum to 1.
        temperature: T > 0; 1 gives the probabilities as they are.
    """
    if temperature == 1.0:
        return probabilities.astype(np.float64)
    scaled = log_probabilities(probabilities) / temperature
    raised = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return shares


def read(path: Path) -> tuple[Decision, dict[str, Any]]:
    """Give a saved decision, and all that its file says.

    Raises:
        CheckpointError: If it cannot be read, or is not as `cvrun calibrate` writes it.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
        if len(text) > _MAX_BYTES:
            raise ValueError(f"more than {_MAX_BYTES:,} bytes")
        content = json.loads(text, parse_constant=_no_number)
        return _checked(content), content
    except (OSError, ValueError, RecursionError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise CheckpointError(f"{path}: {reason}, expected what cvrun calibrate writes", _AGAIN) from error


def require_own(path: Path, decision: Decision, weights: str, classes: tuple[str, ...]) -> None:
    """See that a decision was fitted for the weights that it is to be used with.

    Args:
        path: Of its file, for the message.
        decision: What read gave.
        weights: sha256 (hex) of the content of the weights.
        classes: Names of the outputs.

    Raises:
        CheckpointError: If it was fitted for others, or has other classes.
    """
    if decision.weights != weights:
        message = f"{path}: was fitted for weights {decision.weights[:12]}, expected those of these, {weights[:12]}"
        raise CheckpointError(message, _AGAIN)
    if decision.classes != classes:
        raise CheckpointError(f"{path}: its classes are not those of the weights", _AGAIN)


def parts(decision: Decision) -> dict[str, Any]:
    """Give the parts as plain values, as the file has them: null where one does nothing."""
    point = None
    if decision.positive is not None:
        point = {"class": decision.classes[decision.positive], "threshold": decision.threshold}
    return {
        "classes": list(decision.classes),
        "weights": decision.weights,
        "temperature": None if decision.temperature == 1.0 else decision.temperature,
        "operating_point": point,
        "thresholds": None if decision.thresholds is None else list(decision.thresholds),
        "reject": {"threshold": decision.least} if decision.least > 0 else None,
    }


def _checked(content: Any) -> Decision:
    if not isinstance(content, Mapping) or content.get("format") != FORMAT or type(content["format"]) is not int:
        raise ValueError(f"no decision of format {FORMAT}")
    classes, weights = content.get("classes"), content.get("weights")
    if not isinstance(classes, list) or not classes or not all(isinstance(name, str) for name in classes):
        raise ValueError("classes are no list of names")
    if not isinstance(weights, str):
        raise ValueError("weights is no text")
    temperature, point, reject = (content.get(name) for name in ("temperature", "operating_point", "reject"))
    thresholds = content.get("thresholds")
    if thresholds is not None and (not isinstance(thresholds, list) or len(thresholds) != len(classes)):
        raise ValueError(f"thresholds are no list of {len(classes)} numbers")
    if thresholds is not None and point is not None:
        raise ValueError("operating_point and thresholds exclude each other")
    positive = None
    if point is not None:
        name = _of(point, "operating_point", "class")
        if name not in classes:
            raise ValueError("operating_point class is none of classes")
        positive = classes.index(name)
    return Decision(
        classes=tuple(classes),
        weights=weights,
        temperature=1.0 if temperature is None else _number(temperature, "temperature", COLDEST, WARMEST),
        positive=positive,
        threshold=None if point is None else _share(_of(point, "operating_point", "threshold"), "operating_point"),
        thresholds=None if thresholds is None else tuple(_number(t, "thresholds", LOWEST, 1.0) for t in thresholds),
        least=0.0 if reject is None else _share(_of(reject, "reject", "threshold"), "reject"),
    )


def _of(part: Any, name: str, key: str) -> Any:
    if not isinstance(part, Mapping) or key not in part:
        raise ValueError(f"{name} has no {key}")
    return part[key]


def _share(value: Any, name: str) -> float:
    return _number(value, name, 0.0, 1.0)


def _number(value: Any, name: str, low: float, high: float) -> float:
    # A whole number may be too large for a float.
    if type(value) not in (int, float) or not low <= value <= high or not math.isfinite(value):
        raise ValueError(f"{name} is no number from {low:g} to {high:g}")
    return float(value)


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number")

"""A run's frozen decision: finding it, and what comes of it on a split."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from cvrun.decision import NAME, Decision, parts, read, require_own, tempered
from cvrun.errors import ConfigError
from cvrun.folder import RunFolder
from cvrun.interval import rate
from cvrun.metric._threshold import rates
from cvrun.temperature import calibration
from cvrun.trainer.digest import digest
from cvrun.tta import TTA


@dataclass(frozen=True)
class Frozen:
    """A decision with its file.

    Attributes:
        decision: What is done.
        images: Validation images on which it was fitted.
        test_openings: How often its weights had opened a test set before.
    """

    decision: Decision
    images: int
    test_openings: int


def frozen(folder: RunFolder, model: nn.Module, classes: tuple[str, ...]) -> Frozen | None:
    """Give the decision of a run for a model, or None where none was fitted.

    Raises:
        CheckpointError: If the file is damaged, or was fitted for other weights.
    """
    path = folder.path / NAME
    if not os.path.lexists(path):
        return None
    decision, content = read(path)
    require_own(path, decision, digest(model.state_dict()), classes)
    return Frozen(decision, _count(content.get("images")), _count(content.get("test_openings")))


def require_plain(tta: TTA) -> None:
    """See that probabilities are those for which decisions are fitted.

    Raises:
        ConfigError: If there is test-time augmentation.
    """
    if tta:
        message = f"{NAME}: was fitted on predictions without test-time augmentation, expected --tta none"
        raise ConfigError(message, "--no-decision goes on without it")


def at_decision(
    found: Frozen,
    probabilities: NDArray[np.float32] | NDArray[np.float64],
    targets: NDArray[np.int64],
    same_split: bool,
    clusters: NDArray[np.int64] | None = None,
) -> dict[str, Any]:
    """Give what comes of a decision on a split, as plain values; None where undefined.

    Args:
        found: The decision.
        probabilities: Of the model, (N, K).
        targets: Class indices, int64 (N,).
        same_split: Whether it was fitted on these images.
        clusters: Number of the group of each image, int64 (N,); None: images are independent.
    """
    decision = found.decision
    labels, calibrated = decision.apply(probabilities)
    decided = labels >= 0
    right, of_all = labels == targets, int((decision.decide(calibrated) == targets).sum())
    images, count = len(targets), int(decided.sum())
    named = parts(decision)
    return {
        **{name: named[name] for name in ("temperature", "operating_point", "thresholds", "reject")},
        "fitted_images": found.images,
        "test_openings": found.test_openings,
        "same_split": same_split,
        "images": images,
        "decided": count,
        **_share("coverage", decided, np.ones_like(decided), clusters),
        **_share("selective_accuracy", right, decided, clusters),
        "accuracy_of_all": of_all / images if images else None,
        "per_class": class_rates(
            labels[decided], targets[decided], decision.classes, None if clusters is None else clusters[decided]
        ),
        "calibration": {
            "before": calibration(tempered(probabilities, 1.0), targets),
            "after": calibration(calibrated, targets),
        },
    }


def class_rates(
    labels: NDArray[np.int64],
    targets: NDArray[np.int64],
    classes: Sequence[str],
    clusters: NDArray[np.int64] | None = None,
) -> list[dict[str, Any]]:
    """Give for each class against the rest: tp, fp, fn, tn, prevalence, and what `metric._threshold.rates` gives.

    sensitivity, specificity, ppv and npv each have the 95% interval of `interval.rate` beside them, as in
    sensitivity_interval.

    Args:
        labels: Of the images that are decided, int64 (N,).
        targets: Class indices, int64 (N,).
        classes: Names.
        clusters: Number of the group of each image, int64 (N,); None: images are independent.
    """
    rows = []
    for k, name in enumerate(classes):
        called, own = labels == k, targets == k
        table = {
            "tp": int((called & own).sum()),
            "fp": int((called & ~own).sum()),
            "fn": int((~called & own).sum()),
            "tn": int((~called & ~own).sum()),
        }
        share = (table["tp"] + table["fn"]) / len(targets) if len(targets) else None
        # Of each rate: what it counts, and among what.
        pairs = {
            "sensitivity": (called, own),
            "specificity": (~called, ~own),
            "ppv": (own, called),
            "npv": (~own, ~called),
        }
        intervals = {f"{what}_interval": list(rate(*pair, clusters)) for what, pair in pairs.items()}
        rows.append({"class": name, **table, "prevalence": share, **rates(**table), **intervals})
    return rows


def _share(
    name: str, hit: NDArray[np.bool_], counted: NDArray[np.bool_], clusters: NDArray[np.int64] | None
) -> dict[str, Any]:
    total = int(counted.sum())
    share = int((hit & counted).sum()) / total if total else None
    return {name: share, f"{name}_interval": list(rate(hit, counted, clusters))}


def _count(value: Any) -> int:
    """Give a number that a file says, 0 where it says none: it is only told, never used."""
    return value if type(value) is int and 0 <= value < 2**63 else 0

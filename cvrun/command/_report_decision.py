"""What comes of a run's decision on its saved predictions: the frozen one, or the most probable class."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from cvrun import ledger
from cvrun.audit.suspects import Predicted
from cvrun.audit.suspects import read as read_predictions
from cvrun.command._decided import Frozen, at_decision, class_rates, frozen
from cvrun.command._intervals import saved_clusters
from cvrun.command._trained import load_trained
from cvrun.config import load
from cvrun.decision import NAME, parts
from cvrun.errors import CvrunError
from cvrun.folder import RunFolder
from cvrun.report.decision import in_words


def decision_of(folder: RunFolder) -> dict[str, Any]:
    """Give `frozen` (what the decision does, in words; None where there is none), `note` and `parts`.

    parts has val and test, where there are predictions of them: what at_decision gives, or, of the most probable class,
    images and per_class alone; and by_group, whether the intervals know which images belong together. note says why a
    decision that is there is not used; empty where it is, or there is none.

    Raises:
        DataError: If predictions are damaged.
    """
    found, note = _frozen(folder)
    said = None if found is None else in_words(parts(found.decision))
    result: dict[str, Any] = {}
    for part in ("val", "test"):
        path = folder.predictions / f"{part}.npz"
        if not path.is_file():
            continue
        predicted, own = read_predictions(path), found
        if own is not None and not _of_its_weights(folder, part, own):
            note, own = f"{path.name} is not of the weights for which the decision was fitted", None
        result[part] = _decided(folder, part, predicted, own)
    return {"frozen": said, "note": note, "parts": result}


def _decided(folder: RunFolder, part: str, predicted: Predicted, found: Frozen | None) -> dict[str, Any]:
    clusters = saved_clusters(folder, predicted.ids, part)
    probabilities, targets = predicted.probabilities.astype(np.float32), predicted.labels
    if found is not None:
        return {**at_decision(found, probabilities, targets, part == "val", clusters), "by_group": clusters is not None}
    labels = probabilities.argmax(axis=1)
    rows = class_rates(labels, targets, predicted.classes, clusters)
    return {"images": len(labels), "per_class": rows, "by_group": clusters is not None}


def _frozen(folder: RunFolder) -> tuple[Frozen | None, str]:
    """Give the decision of a run for its best weights, and why it is not used, where it is not."""
    if not os.path.lexists(folder.path / NAME):
        return None, ""
    try:
        trained = load_trained(load(folder.spec, ["device=cpu"]), folder.checkpoints, "best", None, lambda line: None)
        return frozen(folder, trained.model, trained.classes), ""
    except CvrunError as error:
        return None, f"{NAME} is not used ({error})"


def _of_its_weights(folder: RunFolder, part: str, found: Frozen) -> bool:
    """Give whether predictions are of the weights for which a decision was fitted; val.npz is of the best ones."""
    if part == "val":
        return True
    try:
        lines = ledger.copies(folder.path / ledger.COPY)
    except CvrunError:
        return False
    own = [line.weights for line in lines if line.external is None and line.checkpoint == "best"]
    return own[-1:] == [found.decision.weights]

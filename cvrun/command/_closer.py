"""A closer look at a split than its metrics: what `cvrun eval` and `cvrun test` take and report alike."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from cvrun.command._features import Features, caught
from cvrun.data import Manifest
from cvrun.errors import ConfigError, did_you_mean
from cvrun.metric import Metric, Prediction
from cvrun.metric._predictive import at_prevalence
from cvrun.metric._scatter import scatter
from cvrun.metric._slices import LEAST, slices
from cvrun.report.slices import predictive_table, scatter_table, slice_table

GROUP, CLASS = "group", "class"
"""What a split can be sliced by beside the columns of its data."""


@dataclass(frozen=True)
class Asked:
    """What is to be looked at, and was found to be possible.

    Attributes:
        by: Name -> the value of each image of the manifest.
        prevalences: Class index -> its real prevalence.
        scatter: Whether the features are.
    """

    by: dict[str, Sequence[str]] = field(default_factory=dict)
    prevalences: dict[int, float] = field(default_factory=dict)
    scatter: bool = False


def add_closer(parser: argparse.ArgumentParser) -> None:
    """Let a command take --by, --prevalence and --scatter."""
    by = f"the metrics for each value of a column of the data, of {GROUP} or of {CLASS}; may be given again"
    parser.add_argument("--by", action="append", default=[], metavar="COLUMN", help=by)
    real = "predictive values at this real prevalence of a class; of two classes P alone is that of the second"
    parser.add_argument("--prevalence", action="append", default=[], metavar="[CLASS=]P", help=real)
    parser.add_argument("--scatter", action="store_true", help="scatter of the features within and between the classes")


def asked(given: argparse.Namespace, manifest: Manifest, classes: Sequence[str]) -> Asked:
    """Give what add_closer took, before an image is opened.

    Raises:
        ConfigError: If a column or class is not one of the data, or a prevalence is no share.
    """
    if manifest.sets is not None and (given.by or given.prevalence or given.scatter):
        word = "--by" if given.by else "--prevalence" if given.prevalence else "--scatter"
        raise ConfigError(f"{word}: looks at one class an image, expected none with task=multilabel")
    by = {name: _values(name, manifest) for name in given.by}
    return Asked(by, _prevalences(given.prevalence, classes), given.scatter)


@contextmanager
def watched(wanted: Asked, model: nn.Module, num_classes: int) -> Iterator[Features | None]:
    """Catch what the closer look needs of the pass over the images that the block makes."""
    with caught(model, num_classes) if wanted.scatter else contextlib.nullcontext() as features:
        yield features


def closer(
    wanted: Asked,
    prediction: Prediction,
    rows: NDArray[np.int64],
    classes: Sequence[str],
    features: Features | None,
    metrics: Sequence[Metric],
    clusters: NDArray[np.int64] | None = None,
) -> dict[str, Any]:
    """Give what was asked for as plain values: `by`, `prevalence` and `scatter`, each where it was.

    Args:
        wanted: What asked gave.
        prediction: Of the images at rows.
        rows: Positions in the manifest, int64 (N,).
        classes: Names.
        features: What watched caught.
        metrics: What is measured of each slice.
        clusters: Number of the group of each image, int64 (N,); None: images are independent.
    """
    found: dict[str, Any] = {}
    if wanted.by:
        inside = rows.tolist()
        found["by"] = {
            name: slices(prediction, [values[i] for i in inside], metrics=metrics, clusters=clusters)
            for name, values in wanted.by.items()
        }
    if wanted.prevalences:
        found["prevalence"] = at_prevalence(prediction, classes, wanted.prevalences, clusters)
    if features is not None:
        values = features.rows()
        found["scatter"] = {"features": values.shape[1], **scatter(values, prediction.targets)}
    return found


def closer_text(found: dict[str, Any]) -> str:
    """Give what closer found for a person; nothing where nothing was asked for."""
    text = "".join(slice_table(name, part, LEAST) for name, part in found.get("by", {}).items())
    text += predictive_table(found["prevalence"]) if "prevalence" in found else ""
    return text + (scatter_table(found["scatter"]) if "scatter" in found else "")


def _values(name: str, manifest: Manifest) -> Sequence[str]:
    if name in manifest.columns:
        return manifest.columns[name]
    if name == CLASS:
        return [manifest.classes[label] for label in manifest.labels.tolist()]
    if name == GROUP and manifest.groups is not None:
        return manifest.groups
    known = [*manifest.columns, *([GROUP] if manifest.groups is not None else []), CLASS]
    known = list(dict.fromkeys(known))
    raise ConfigError(f"--by {name}: expected one of {', '.join(known)}", did_you_mean(name, known))


def _prevalences(given: Sequence[str], classes: Sequence[str]) -> dict[int, float]:
    found: dict[int, float] = {}
    for word in given:
        name, _, text = word.rpartition("=")
        if not name and len(classes) != 2:
            raise ConfigError(f"--prevalence {word}: of {len(classes)} classes, expected CLASS=P")
        # One who gives the prevalence alone means the class that is looked for.
        name = name or classes[1]
        if name not in classes:
            hint = did_you_mean(name, classes)
            raise ConfigError(f"--prevalence {word}: class '{name}', expected one of {', '.join(classes)}", hint)
        found[classes.index(name)] = _share(word, text)
    if len(classes) == 2 and len(found) == 1:
        ((k, share),) = found.items()
        found[1 - k] = 1 - share
    total = sum(found.values())
    whole = len(found) == len(classes)
    if total > 1 + 1e-9 or (whole and total < 1 - 1e-9):
        rule = "1" if whole else "at most 1"
        raise ConfigError(f"--prevalence: the classes have {total:g} together, expected {rule}")
    return dict(sorted(found.items()))


def _share(word: str, text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 < share < 1:
        raise ConfigError(f"--prevalence {word}: expected a number between 0 and 1")
    return share

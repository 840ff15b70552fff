"""Fit a run's decision on val and freeze it: temperature, operating point, thresholds, reject option."""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvrun import __version__, ledger
from cvrun.audit.suspects import Predicted
from cvrun.audit.suspects import read as read_predictions
from cvrun.command._arguments import parser_of
from cvrun.command._decided import Frozen, at_decision
from cvrun.command._intervals import saved_clusters
from cvrun.command._output import say, show
from cvrun.command._run_folder import existing
from cvrun.command._trained import Trained, load_trained
from cvrun.config import load
from cvrun.cutoff import Selective, class_thresholds, operating_threshold, parse_rule, reject_threshold, selective
from cvrun.decision import FORMAT, NAME, Decision, parts, tempered
from cvrun.errors import CheckpointError, ConfigError, DataError, did_you_mean
from cvrun.folder import RunFolder, finite, now
from cvrun.interval import FEW
from cvrun.keys import RESUME_KEYS
from cvrun.report.decision import coverage_table, decision_text
from cvrun.temperature import fit_temperature
from cvrun.trainer.digest import digest

_COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)


def run(arguments: list[str]) -> int:
    """Fit what is asked for on the validation predictions of the best weights, write decision.json, print; exit code.

    Raises:
        ConfigError: If nothing is asked for, a rule cannot be kept, the run has not finished, or one is there already.
        CvrunError: If the run or its predictions cannot be used.
    """
    given = _parser().parse_intermixed_args(arguments)
    _require_asked(given)
    folder = existing(given.run)
    path = folder.path / NAME
    replaced = path.exists()
    if replaced and not given.force:
        raise ConfigError(f"{path}: exists, expected a run without one", "--force fits it again and replaces it")
    if (folder.read_status() or {}).get("state") != "finished":
        raise ConfigError(f"{folder.path}: has not finished, expected a finished run", "cvrun resume RUN goes on")
    trained = load_trained(load(folder.spec, given.overrides), folder.checkpoints, "best", None, say)
    with folder.hold():
        content, text = _fitted(given, folder, trained, replaced)
        folder.write(path, json.dumps(content, indent=2).encode() + b"\n")
    show(json.dumps(content, indent=2) + "\n" if given.json else f"{text}\n{path}: frozen\n", kept=path)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("calibrate", __doc__)
    parser.add_argument("run", type=Path, help="the folder of a finished run")
    parser.add_argument("--temperature", action="store_true", help="one temperature, of the least validation loss")
    parser.add_argument("--class", dest="positive", metavar="NAME", help="the class of --rule; of two the second")
    rule = "its operating point: target_sens=S, target_spec=S, youden or cost=FP:FN"
    parser.add_argument("--rule", metavar="RULE", help=rule)
    parser.add_argument("--thresholds", choices=("macro_f1",), help="a threshold a class, each of the largest F1")
    parser.add_argument("--reject", metavar="RULE", help="reject the least sure: coverage=C or risk=R")
    parser.add_argument("--force", action="store_true", help="replace a decision that is there")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("overrides", nargs="*", default=[], metavar="KEY=VALUE", help=f"only {', '.join(RESUME_KEYS)}")
    return parser


def _require_asked(given: argparse.Namespace) -> None:
    if not (given.temperature or given.rule or given.thresholds or given.reject):
        raise ConfigError("nothing to fit, expected --temperature, --rule, --thresholds or --reject")
    if given.rule is not None:
        parse_rule(given.rule)
    if given.rule and given.thresholds:
        raise ConfigError("--thresholds: excludes --rule, expected one of them", "each says which label an image gets")
    if given.positive is not None and given.rule is None:
        raise ConfigError(f"--class {given.positive}: expected --rule as well")


def _fitted(
    given: argparse.Namespace, folder: RunFolder, trained: Trained, replaced: bool
) -> tuple[dict[str, Any], str]:
    """Give what decision.json is to say, and the same for a person."""
    file = folder.predictions / "val.npz"
    predicted = read_predictions(file)
    _require_fit(predicted, trained)
    probabilities = predicted.probabilities.astype(np.float32)
    weights = digest(trained.model.state_dict())
    decision, curve = fit(given, probabilities, predicted.labels, trained.classes)
    decision = replace(decision, weights=weights)
    opened = sum(line.weights == weights for line in ledger.read(ledger.place(folder.path)))
    groups = saved_clusters(folder, predicted.ids)
    result = at_decision(Frozen(decision, len(predicted.ids), opened), probabilities, predicted.labels, True, groups)
    rows = _rows(curve)
    content = {
        "format": FORMAT,
        "run_id": trained.meta["run_id"],
        "checkpoint": "best",
        "step": trained.step,
        **parts(decision),
        "asked": {name: getattr(given, name) for name in ("temperature", "positive", "rule", "thresholds", "reject")},
        "fitted_on": "val",
        "images": len(predicted.ids),
        "predictions": hashlib.sha256(file.read_bytes()).hexdigest(),
        "time": now(),
        "code": __version__,
        "test_openings": opened,
        "replaced": replaced,
        "val": {**result, "risk_coverage": rows, "aurc": curve.aurc},
    }
    return finite(content), decision_text(result) + coverage_table(rows, curve.aurc)


def fit(
    given: argparse.Namespace, probabilities: NDArray[np.float32], targets: NDArray[np.int64], classes: tuple[str, ...]
) -> tuple[Decision, Selective]:
    """Give the decision that is asked for, each part fitted on what the one before leaves, and its risk and coverage.

    Args:
        given: `temperature`, `positive`, `rule`, `thresholds` and `reject`.
        probabilities: Of the model on val, (N, K).
        targets: Class indices, int64 (N,).
        classes: Names.

    Raises:
        ConfigError: If a rule cannot be kept on these images.
    """
    _warn_of_few("", len(targets))
    decision = Decision(classes)
    if given.temperature:
        decision = replace(decision, temperature=fit_temperature(probabilities, targets))
    calibrated = tempered(probabilities, decision.temperature)
    if given.rule is not None:
        k = _positive(given.positive, classes)
        truth = targets == k
        _warn_of_few(f" of class '{classes[k]}'", int(truth.sum()))
        threshold = operating_threshold(parse_rule(given.rule), calibrated[:, k], truth)
        decision = replace(decision, positive=k, threshold=threshold)
    if given.thresholds is not None:
        decision = replace(decision, thresholds=tuple(class_thresholds(calibrated, targets, list(classes))))
    curve = selective(calibrated.max(axis=1), decision.decide(calibrated) == targets)
    if given.reject is not None:
        decision = replace(decision, least=reject_threshold(given.reject, curve))
    return decision, curve


def _positive(name: str | None, classes: tuple[str, ...]) -> int:
    if name is None:
        if len(classes) != 2:
            raise ConfigError(f"--rule: of {len(classes)} classes, expected --class NAME as well")
        return 1
    if name not in classes:
        known = ", ".join(classes[:20]) + (", ..." if len(classes) > 20 else "")
        raise ConfigError(f"--class {name}: expected one of {known}", did_you_mean(name, classes))
    return classes.index(name)


def _require_fit(predicted: Predicted, trained: Trained) -> None:
    """See that saved predictions are probabilities, of the classes of the weights."""
    values = predicted.probabilities
    if tuple(predicted.classes) != trained.classes:
        message = f"{predicted.path}: its classes are not those of the weights"
        raise CheckpointError(message, "cvrun eval RUN writes it again")
    # NaN is in no range.
    if not (bool(np.all((values >= 0) & (values <= 1))) and bool(np.all(np.abs(values.sum(axis=1) - 1) < 1e-3))):
        raise DataError(f"{predicted.path}: damaged (no probabilities)", "cvrun eval RUN writes it again")


def _rows(curve: Selective) -> list[dict[str, float]]:
    """Give the risk at a few shares of images that are decided, at least as many as the share says."""
    places = [int(np.flatnonzero(curve.coverage >= share - 1e-12)[0]) for share in _COVERAGES]
    columns = {"coverage": curve.coverage, "risk": curve.risk, "threshold": curve.thresholds}
    return [{name: float(column[i]) for name, column in columns.items()} for i in dict.fromkeys(places)]


def _warn_of_few(of_what: str, count: int) -> None:
    if count < FEW:
        say(f"warning: {count:,} validation images{of_what}, fewer than {FEW}: what is fitted on them may be chance")

"""What a page about one run is made of: the files of its folder, and what was worked out of its predictions."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from cvrun.errors import ConfigError
from cvrun.folder import RunFolder
from cvrun.report.details import read_details
from cvrun.report.openings import or_fault
from cvrun.yamlfile import load_yaml, read_text


@dataclass(frozen=True)
class ClassCurves:
    """A class against all others.

    Attributes:
        name: Of the class.
        roc: 1 - specificity and sensitivity; None where a kind is absent.
        pr: Recall and precision; None without an image of the class.
        roc_auc: Area under the first; None where undefined.
        average_precision: Area under the second by steps; None where undefined.
    """

    name: str
    roc: tuple[Sequence[float], Sequence[float]] | None
    pr: tuple[Sequence[float], Sequence[float]] | None
    roc_auc: float | None
    average_precision: float | None


@dataclass(frozen=True)
class Case:
    """An image and what the model made of it.

    Attributes:
        id: Its name, or the hash of it.
        true: Its class.
        predicted: The class of the highest probability.
        p_true: Probability of its class.
        p_predicted: Probability of the predicted class.
        loss: -ln of p_true.
        picture: A small PNG, where there is one.
    """

    id: str
    true: str
    predicted: str
    p_true: float
    p_predicted: float
    loss: float
    picture: bytes | None = None


@dataclass(frozen=True)
class Risk:
    """Errors among the images that are decided, the surest first.

    Attributes:
        coverage: Share of images that are decided, rising to 1.
        risk: Share of errors among them.
        thresholds: Least probability of the predicted class among them.
        aurc: Area under risk over coverage.
    """

    coverage: Sequence[float]
    risk: Sequence[float]
    thresholds: Sequence[float]
    aurc: float


@dataclass(frozen=True)
class Looked:
    """What was worked out of the predictions on the validation images.

    Attributes:
        images: How many.
        curves: One a class.
        reliability: A row a bin: low, high, images, confidence and accuracy, None in an empty one.
        errors: Images whose class was not predicted.
        worst: Images of the highest loss, the highest first.
        confident: Errors of the highest probability, the highest first.
        no_pictures: Why there are none; nothing where there are.
        thresholds: Class -> a row a threshold: threshold, tp, fp, fn, tn, sensitivity, specificity, ppv and npv.
        risk: What is gained by leaving the least sure images undecided.
        calls: Of few classes, class -> images of it that are called another one, its least probability first, and
            images of others that are called it, its highest first.
    """

    images: int
    curves: Sequence[ClassCurves]
    reliability: Sequence[Mapping[str, Any]]
    errors: int
    worst: Sequence[Case]
    confident: Sequence[Case]
    no_pictures: str
    thresholds: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    risk: Risk | None = None
    calls: Mapping[str, tuple[Sequence[Case], Sequence[Case]]] = field(default_factory=dict)


@dataclass(frozen=True)
class RunRecord:
    """A run as its folder tells it; what is missing is empty.

    Attributes:
        path: The folder, as it was named.
        status: status.json; a run whose process has gone without a word is interrupted.
        plan: plan.yaml.
        rows: records.jsonl, in order of the steps.
        evaluated: val, train and test -> what the evaluation saved beside its predictions.
        warnings: Lines of the plan and of warnings.log.
        openings: Lines about test sets.
        spec: spec.yaml, as text.
        looked: None where there are no predictions on the validation images, or these have any number of labels.
        decision: What comes of the decision, as `cvrun.command._report_decision.decision_of` gives it.
        slices: Validation images by column, as `cvrun.command._report_slices.slices_of` gives them.
    """

    path: str
    status: Mapping[str, Any]
    plan: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    evaluated: Mapping[str, Mapping[str, Any]]
    warnings: Sequence[str]
    openings: Sequence[str]
    spec: str
    looked: Looked | None
    decision: Mapping[str, Any] = field(default_factory=dict)
    slices: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name and id of the run."""
        return f"{self.plan.get('name', 'run')} {self.plan.get('run_id', '')}".strip()

    @property
    def monitor(self) -> str:
        """The monitored metric, such as val/accuracy."""
        return str(self.status.get("monitor") or self.part("training").get("monitor") or "")

    @property
    def again(self) -> tuple[str, str]:
        """The commands that make the run, or the soup that it is, again and that measure it."""
        made = self.part("soup").get("command")
        path = shlex.quote(self.path)
        return made if _is_soup(made) else f"cvrun verify {path} --replay", f"cvrun eval {path}"

    @property
    def several(self) -> bool:
        """Whether images have any number of labels."""
        return "labels" in self.part("data")

    def part(self, *keys: str) -> Mapping[str, Any]:
        """Give a mapping within the plan by its keys; empty where it is none."""
        found: Any = self.plan
        for key in keys:
            found = found.get(key) if isinstance(found, Mapping) else None
        return found if isinstance(found, Mapping) else {}

    def metric(self, part: str, name: str) -> float | None:
        """Give a metric of an evaluation; None where it is not known."""
        metrics = self.evaluated.get(part, {}).get("metrics")
        value = metrics.get(name) if isinstance(metrics, Mapping) else None
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _is_soup(command: Any) -> TypeGuard[str]:
    """Whether a command out of a plan, which others can write, is one that makes a soup and nothing else."""
    try:
        words = shlex.split(command) if isinstance(command, str) else []
    except ValueError:
        return False
    return words[:2] == ["cvrun", "soup"] and shlex.join(words) == command


def read_record(run: RunFolder, rows: Sequence[Mapping[str, Any]], looked: Looked | None) -> RunRecord:
    """Give a run.

    Args:
        run: Its folder.
        rows: Its records; of several of one step the last counts.
        looked: What was worked out of its predictions.
    """
    try:
        plan = load_yaml(run.plan)
    except (OSError, ConfigError):
        plan = None
    plan = plan if isinstance(plan, dict) else {}
    warned = plan.get("warnings")
    lines = [str(line) for line in warned] if isinstance(warned, list) else []
    by_step: dict[Any, Mapping[str, Any]] = {}
    for row in rows:
        step = row.get("step")
        if type(step) is int:
            by_step[step] = {**by_step.get(step, {}), **row}
    return RunRecord(
        path=run.path.as_posix(),
        status=_status(run),
        plan=plan,
        rows=[by_step[step] for step in sorted(by_step)],
        evaluated={part: read_details(run.path, part) for part in ("val", "train", "test")},
        warnings=[*lines, *_text(run.warnings).splitlines()],
        openings=or_fault(run),
        spec=_text(run.spec),
        looked=looked,
    )


def _status(run: RunFolder) -> Mapping[str, Any]:
    status = run.read_status() or {}
    if status.get("state") == "running" and not run.is_held():
        return {**status, "state": "interrupted", "reason": "its process has gone"}
    return status


def _text(path: Any) -> str:
    try:
        return read_text(path)
    except (OSError, ConfigError):
        return ""

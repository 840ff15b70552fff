"""A reporting guideline as a table: what a run knows, with the file that proves it; the rest is the author's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cvrun.errors import ConfigError
from cvrun.report.checklist_items import GUIDELINES
from cvrun.report.run_record import RunRecord
from cvrun.report.score import interval_of
from cvrun.report.summary import number
from cvrun.report.sweep import shown
from cvrun.yamlfile import load_yaml

AUTHOR = "author"

Fact = tuple[str, str] | None
"""What a run knows and the file of its folder that says so; None where it does not know."""


@dataclass(frozen=True)
class Line:
    """An item of a guideline.

    Attributes:
        number: In the guideline.
        asks: What it asks for, in short.
        answer: What the run knows; nothing where only the author does.
        file: That proves it, from the run's folder; nothing likewise.
    """

    number: str
    asks: str
    answer: str
    file: str


def checklist(record: RunRecord, name: str) -> list[Line]:
    """Give the items of a guideline, claim or tripod; a fact counts only where its file is in the run's folder."""
    spec = _spec(record)
    lines = []
    for item, asks, wanted in GUIDELINES[name][1]:
        fact = _FACTS[wanted](record, spec) if wanted else None
        if fact is None or not (Path(record.path) / fact[1]).is_file():
            fact = ("", "")
        lines.append(Line(item, asks, *fact))
    return lines


def title_of(name: str) -> str:
    """Give what stands above a checklist."""
    return f"{GUIDELINES[name][0]}, as far as the run knows"


NOTE = (
    "What the run knows is a draft of the answer: reasons, and all that is marked 'author', are for a person to write. "
    "The words are ours; the guideline's own text counts."
)


def _spec(record: RunRecord) -> Mapping[str, Any]:
    try:
        found = load_yaml(Path(record.path) / "spec.yaml")
    except (OSError, ConfigError):
        return {}
    return found if isinstance(found, dict) else {}


def _part(spec: Mapping[str, Any], *names: str) -> str:
    """Give parts of a configuration in words: option, and the keys that are set."""
    said = []
    for name in names:
        keys = spec.get(name)
        if isinstance(keys, Mapping):
            values = [f"{key} {shown(value)}" for key, value in keys.items() if key != "option" and value is not None]
            said.append(f"{name} {keys.get('option', '')} ({', '.join(values)})".replace(" ()", "").replace("  ", " "))
    return "; ".join(said)


def _of_spec(*names: str) -> Callable[[RunRecord, Mapping[str, Any]], Fact]:
    def fact(record: RunRecord, spec: Mapping[str, Any]) -> Fact:
        said = _part(spec, *names)
        return (said, "spec.yaml") if said else None

    return fact


def _key(spec: Mapping[str, Any], group: str, key: str) -> Any:
    keys = spec.get(group)
    return keys.get(key) if isinstance(keys, Mapping) else None


def _flow(record: RunRecord, *keys: str) -> Fact:
    flow = record.part("data", "flow")
    known = {key: flow[key] for key in keys if type(flow.get(key)) is int}
    if not known:
        return None
    return ", ".join(f"{value:,} {key}" for key, value in known.items()) + " images", "plan.yaml"


def _exclusions(record: RunRecord, spec: Mapping[str, Any]) -> Fact:
    found = record.part("data", "flow", "excluded")
    said = "; ".join(f"{reason}: {count}" for reason, count in found.items())
    return (f"excluded images by reason: {said}", "plan.yaml") if said else None


def _subset(record: RunRecord, spec: Mapping[str, Any]) -> Fact:
    share = _key(spec, "data", "subset")
    return None if share is None else (f"data.subset={shown(share)} (1 is all)", "spec.yaml")


def _hashed(record: RunRecord, spec: Mapping[str, Any]) -> Fact:
    return (
        ("names of images are hashed in all files of the run", "spec.yaml")
        if _key(spec, "data", "hash_ids") is True
        else None
    )


def _counts(record: RunRecord, spec: Mapping[str, Any]) -> Fact:
    counts = {part: row for part, row in record.part("data", "counts").items() if isinstance(row, list)}
    said = ", ".join(f"{part} {sum(row):,} in {len(row):,} classes" for part, row in counts.items())
    return (f"images: {said}", "plan.yaml") if said else None


def _split(record: RunRecord, spec: Mapping[str, Any]) -> Fact:
    said = _part(spec, "split")
    return (f"{said}; a line for each image", "split.csv") if said else None


def _disjoint(record: RunRecord, spec: Mapping[str, Any]) -> Fact:
    by = _key(spec, "data", "group_by") or _key(spec, "data", "group_pattern")
    groups = record.part("data", "groups")
    if by and groups:
        return f"groups by {by} are in one part each: " + ", ".join(f"{k} {v}" for k, v in groups.items()), "plan.yaml"
    return ("single images; no key of groups such as patients was given", "spec.yaml") if spec.get("split") else None


def _software(record: RunRecord, spec: Mapping[str, Any]) -> Fact:
    found, code = record.part("environment"), record.plan.get("code")
    said = ", ".join(f"{key} {value}" for key, value in found.items())
    return (f"cvrun {code}, {said}", "plan.yaml") if said and code else None


def _weights(record: RunRecord, spec: Mapping[str, Any]) -> Fact:
    if "weights" not in (spec.get("model") or {}):
        return None
    weights = _key(spec, "model", "weights")
    return (f"weights {weights}" if weights else f"random, seed {shown(spec.get('seed'))}"), "spec.yaml"


def _selection(record: RunRecord, spec: Mapping[str, Any]) -> Fact:
    step = record.status.get("best_step")
    said = f"best {record.monitor} of the evaluations on the validation part, at step {step}"
    return (said, "status.json") if record.monitor and step is not None else None


def _metrics(record: RunRecord, spec: Mapping[str, Any]) -> Fact:
    found = record.evaluated.get("val", {}).get("metrics")
    if not isinstance(found, Mapping) or not found:
        return None
    return "on val: " + ", ".join(f"{k} {number(record.metric('val', str(k)))}" for k in found), "predictions/val.json"


def _intervals(record: RunRecord, spec: Mapping[str, Any]) -> Fact:
    found = record.evaluated.get("val", {}).get("metrics")
    ends = {name: interval_of(record, "val", str(name)) for name in (found if isinstance(found, Mapping) else ())}
    known = [f"{name} {number(each[0])} to {number(each[1])}" for name, each in ends.items() if each]
    return ("95% intervals on val: " + ", ".join(known), "predictions/val.json") if known else None


def _per_class(record: RunRecord, spec: Mapping[str, Any]) -> Fact:
    rows = record.evaluated.get("val", {}).get("per_class")
    return (f"a row for each of {len(rows):,} classes", "predictions/val.json") if rows else None


def _external(record: RunRecord, spec: Mapping[str, Any]) -> Fact:
    lines = [line for line in record.openings if "external" in line]
    return ("; ".join(lines), "test.jsonl") if lines else None


def _saved(said: str, file: str) -> Callable[[RunRecord, Mapping[str, Any]], Fact]:
    return lambda record, spec: (said, file)


def _predictions(record: RunRecord, spec: Mapping[str, Any]) -> Fact:
    said = "a probability for each class, the highest is predicted"
    if record.several:
        said = "a probability for each label by itself, those of 0.5 or more are predicted"
    return said, "predictions/val.npz"


def _imbalance(record: RunRecord, spec: Mapping[str, Any]) -> Fact:
    if "line" not in record.part("imbalance"):
        return None
    return str(record.part("imbalance")["line"] or "nothing was resampled or weighted"), "plan.yaml"


_FACTS: Mapping[str, Callable[[RunRecord, Mapping[str, Any]], Fact]] = {
    "source": _of_spec("data"),
    "exclusions": _exclusions,
    "preprocessing": _of_spec("normalize", "augment"),
    "subset": _subset,
    "hashed": _hashed,
    "unreadable": lambda record, spec: _flow(record, "unreadable"),
    "counts": _counts,
    "split": _split,
    "disjoint": _disjoint,
    "model": _of_spec("model"),
    "software": _software,
    "weights": _weights,
    "training": _of_spec("augment", "loss", "optimizer", "scheduler", "sampler", "trainer", "early_stopping"),
    "selection": _selection,
    "metrics": _metrics,
    "intervals": _intervals,
    "per_class": _per_class,
    "external": _external,
    "flow": lambda record, spec: _flow(record, "listed", "synthetic", "unplaced", "subset", "unreadable"),
    "failures": _saved("the probabilities of each validation image, wrong ones included", "predictions/val.npz"),
    "predictions": _predictions,
    "protocol": _saved("the whole configuration of the run", "spec.yaml"),
    "imbalance": _imbalance,
}
"""Fact of checklist_items -> what finds it."""

"""A report as Markdown and as plain values, with the same facts: of a run, and of the runs below a folder."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

from cvrun.errors import printable
from cvrun.folder import finite
from cvrun.report.run_cost import costs
from cvrun.report.run_record import RunRecord
from cvrun.report.score import interval_of
from cvrun.report.summary import between, number
from cvrun.report.sweep import Sweep
from cvrun.report.sweep_page import outcome, setting_of

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~$])")
_LINK = re.compile(r"(?<=:)//|(?<=\bwww)\.|@", re.IGNORECASE)
_PARTS = ("val", "train", "test")


def inert(value: str) -> str:
    """Give text that Markdown shows as it stands: no markup, no HTML, no link, one line."""
    escaped = _SPECIAL.sub(r"\\\1", printable(value).replace("&", "&amp;"))
    return _LINK.sub(lambda found: "".join(f"&#{ord(letter)};" for letter in found.group()), escaped)


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Give a table; cells are text, which is made inert."""
    lines = [columns, *rows]
    head, *body = ("| " + " | ".join(inert(cell) for cell in row) + " |" for row in lines)
    return "\n".join([head, "|" + " --- |" * len(columns), *body]) + "\n"


def plain(record: RunRecord) -> dict[str, Any]:
    """Give a run as values for JSON: numbers that are not finite are None."""
    status, data = record.status, record.part("data")
    score = record.monitor.partition("/")
    evaluated = {part: _evaluated(record, part) for part in _PARTS if record.evaluated.get(part)}
    return dict(
        finite(
            {
                "run": record.path,
                "name": record.name,
                "state": status.get("state"),
                "reason": status.get("reason"),
                "monitor": record.monitor,
                "score": status.get("score"),
                "score_interval": interval_of(record, score[0], score[2]),
                "best_step": status.get("best_step"),
                "evaluated": evaluated,
                "decision": dict(record.decision),
                "slices": dict(record.slices),
                "cost": costs(record),
                "images": record.part("data", "counts"),
                "classes": data.get("classes"),
                "data_fingerprint": data.get("data_fingerprint"),
                "split_fingerprint": data.get("split_fingerprint"),
                "disclosures": {
                    "imbalance": record.part("imbalance").get("line") or None,
                    "test_sets": list(record.openings),
                    "warnings": list(record.warnings),
                },
                "reproduce": {
                    "code": record.plan.get("code"),
                    "seed": record.part("training").get("seed"),
                    "overrides": record.plan.get("overrides"),
                    "environment": record.part("environment"),
                    "commands": list(record.again),
                },
            }
        )
    )


def markdown(record: RunRecord) -> str:
    """Give a run as Markdown; text of the run in it is inert."""
    found = plain(record)
    ends = found["score_interval"]
    sure = f" (95% interval {number(ends[0])} to {number(ends[1])})" if ends else ""
    again, said = found["reproduce"], found["disclosures"]
    parts = [
        f"# Run {inert(record.name)}\n",
        f"{inert(str(found['state']))} ({inert(str(found['reason']))}): {inert(record.monitor or 'no metric')} "
        f"{number(found['score'])}{sure}, weights of step {found['best_step'] or 0:,}\n",
    ]
    for part, values in found["evaluated"].items():
        parts.append(f"## Metrics on {part}\n\n{_metrics(values)}")
        if values["per_class"]:
            parts.append(f"### Classes on {part}\n\n{_classes(values['per_class'])}")
        if values["undefined"]:
            left = ", ".join(f"{inert(str(name))} {count}" for name, count in values["undefined"].items())
            parts.append(f"Classes without a value, left out of a mean: {left}\n")
    parts += _looked(found)
    rows = [[part, f"{sum(row):,}"] for part, row in found["images"].items() if isinstance(row, list)]
    rows += [[key, str(found[key])] for key in ("data_fingerprint", "split_fingerprint") if found[key]]
    parts.append(f"## Data\n\n{markdown_table(['what', 'value'], rows)}")
    nothing = "nothing was resampled or weighted" if record.plan else "not known, as the warnings of the plan"
    lines = [f"imbalance: {said['imbalance'] or nothing}", *said["test_sets"]]
    lines += [f"warning: {line}" for line in said["warnings"]]
    parts.append("## Disclosure\n\n" + _list(lines))
    parts.append("## Time and memory\n\n" + _cost(found["cost"]))
    rows = [[key, str(again[key])] for key in ("code", "seed")]
    rows += [
        ["differs by", " ".join(map(str, again["overrides"] or [])) or ("nothing" if record.plan else "not known")]
    ]
    rows += [[str(key), str(value)] for key, value in again["environment"].items()]
    parts.append(f"## How to reproduce it\n\n{markdown_table(['what', 'value'], rows)}\n{_list(again['commands'])}")
    return "\n".join(parts)


def _looked(found: Mapping[str, Any]) -> list[str]:
    """Give the sections about the decision and about groups and columns, each where there is something."""
    parts = []
    decision, by = found["decision"], found["slices"].get("by", {})
    if decision.get("parts"):
        said = decision["frozen"] or "none is frozen: the most probable class"
        parts.append(f"## Decision\n\n{inert(said)}\n")
        parts += [f"{inert(decision['note'])}\n"] if decision["note"] else []
    names = ("sensitivity", "specificity", "ppv", "npv")
    for part, values in decision.get("parts", {}).items():
        rows = [[str(row["class"]), *(_cell(row[name]) for name in names)] for row in values["per_class"]]
        parts.append(f"### At the decision on {part}\n\n{markdown_table(['class', *names], rows)}")
    for column, values in by.items():
        rows = [
            [row["value"] or "(none)", f"{row['images']:,}", _cell(row["accuracy"]), _cell(row["balanced_accuracy"])]
            for row in values["slices"]
        ]
        hidden = f"hidden, with fewer than 10 images each: {values['hidden']['values']:,}"
        columns = ["value", "images", "accuracy", "balanced accuracy"]
        parts.append(f"## Validation images by {inert(column)}\n\n{markdown_table(columns, rows)}\n{hidden}\n")
    return parts


def _cost(found: Mapping[str, Any]) -> str:
    rows = [[f"{phase} [s]", f"{seconds:.1f}"] for phase, seconds in found["spent"].items()]
    rows.append(["all [s]", "-" if found["seconds"] is None else f"{found['seconds']:.1f}"])
    rows += [[f"peak memory, {where} [bytes]", f"{size:,}"] for where, size in found["peak_memory"].items()]
    return markdown_table(["what", "value"], rows)


def plain_sweep(sweep: Sweep) -> dict[str, Any]:
    """Give the runs below a folder as values for JSON: numbers that are not finite are None."""
    groups = [
        {
            "setting": {key: group.runs[0].values.get(key) for key in sweep.varying},
            "n": len(group.runs),
            "mean": group.mean,
            "sd": group.sd,
            "interval": group.spread.interval,
            "runs": [run.facts["path"] for run in group.runs],
        }
        for group in sweep.groups()
    ]
    runs = [{**run.facts, "seed": run.seed, **_varied(sweep, run.values)} for run in sweep.runs]
    found = {
        "folder": sweep.folder,
        "monitor": sweep.monitor,
        "states": dict(sweep.states),
        "picked_from": len(sweep.ranked),
        "picking": None if sweep.picking is None else dataclasses.asdict(sweep.picking),
        "put_aside": sweep.aside,
        "best": sweep.ranked[0].facts["path"] if sweep.ranked else None,
        "varying": list(sweep.varying),
        "settings": groups,
        "runs": runs,
        "test_sets": list(sweep.openings),
    }
    return dict(finite(found))


def markdown_sweep(sweep: Sweep) -> str:
    """Give the runs below a folder as Markdown; text of the runs in it is inert."""
    rows = [
        [run.label, str(run.facts["state"]), number(run.score), setting_of(sweep, run), str(run.seed)]
        for run in sweep.runs
    ]
    groups = [
        [
            setting_of(sweep, group.runs[0]),
            f"{len(group.runs):,}",
            number(group.mean),
            number(group.sd),
            between(group.spread.interval),
        ]
        for group in sweep.groups()
    ]
    parts = [f"# Runs below {inert(sweep.folder)}\n", *(f"{inert(line)}\n" for line in outcome(sweep))]
    parts.append("## Runs\n\n" + markdown_table(["run", "state", "score", "setting", "seed"], rows))
    if groups:
        parts.append("## Seeds\n\n" + markdown_table(["setting", "n", "mean", "sd", "95% interval"], groups))
    parts.append("## Test sets\n\n" + _list(sweep.openings or ["no test set has been opened"]))
    return "\n".join(parts)


def _varied(sweep: Sweep, values: Mapping[str, Any]) -> dict[str, Any]:
    return {"values": {key: values[key] for key in sweep.varying if key in values}}


def _evaluated(record: RunRecord, part: str) -> dict[str, Any]:
    details = record.evaluated[part]
    metrics = details.get("metrics")
    metrics = metrics if isinstance(metrics, Mapping) else {}
    intervals = {name: interval_of(record, part, str(name)) for name in metrics}
    rows = details.get("per_class")
    undefined = details.get("undefined")
    return {
        "metrics": metrics,
        "intervals": {name: ends for name, ends in intervals.items() if ends is not None},
        "per_class": [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else [],
        "undefined": undefined if isinstance(undefined, Mapping) else {},
    }


def _metrics(values: Mapping[str, Any]) -> str:
    rows = []
    for name, value in values["metrics"].items():
        ends = values["intervals"].get(name)
        rows.append([str(name), _cell(value), f"{number(ends[0])} to {number(ends[1])}" if ends else "-"])
    return markdown_table(["metric", "value", "95% interval"], rows)


def _classes(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = list(dict.fromkeys(str(key) for row in rows for key, value in row.items() if not _nested(value)))
    return markdown_table(columns, [[_cell(row.get(key)) for key in columns] for row in rows])


def _nested(value: Any) -> bool:
    return isinstance(value, list | Mapping)


def _cell(value: Any) -> str:
    return number(value) if value is None or isinstance(value, float) else str(value)


def _list(lines: Sequence[str]) -> str:
    return "".join(f"- {inert(line)}\n" for line in lines)

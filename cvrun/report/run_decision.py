"""What the classes get at the operating point: the rates of each against the rest, what is rejected, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cvrun.report.decision import infinite, ratios
from cvrun.report.page import Html, Section, heading, paragraph, table
from cvrun.report.run_record import RunRecord
from cvrun.report.summary import number

_MOST_CLASSES = 100
_FOUND, _CALLED = ("sensitivity", "specificity"), ("ppv", "npv")
_IDEAL = {"loss": "-", "brier": "-", "ece": "0", "intercept": "0", "slope": "1"}


def decision(record: RunRecord) -> Section:
    """Give the section: at the frozen decision where there is one, else at the most probable class."""
    found = record.decision
    parts = found.get("parts", {})
    if not parts:
        body = [paragraph("The run has no predictions to decide on.")]
        return Section("decision", "Decision", body)
    said = found.get("frozen")
    if said is None:
        line = "No decision is frozen: an image gets its most probable class. `cvrun calibrate` fits a temperature, an "
        body = [paragraph(line + "operating point, thresholds or a reject option on the validation images.")]
    else:
        body = [paragraph(f"Frozen: {said}.", "lead")]
    if found.get("note"):
        body.append(paragraph(f"{found['note']}.", "note"))
    for part, values in parts.items():
        body.append(heading(f"On the {'validation' if part == 'val' else part} images"))
        body += _part(part, values)
        groups = record.part("data", "groups").get(part)
        if type(groups) is int and groups < values["images"] and not values["by_group"]:
            said = "The intervals here take the images for independent: their groups are not known."
            body.append(paragraph(said, "quiet"))
    body.append(
        paragraph(
            "PPV and NPV hold for the prevalences in the same images, and for no others; LR: likelihood ratio.", "quiet"
        )
    )
    return Section("decision", "Decision", body)


def _part(part: str, found: Mapping[str, Any]) -> list[Html]:
    body = []
    if "decided" in found:
        body += [paragraph(line) for line in _sentences(found)]
    elif part == "test":
        body.append(paragraph("At the most probable class."))
    body += rates(found["per_class"], part)
    if "calibration" in found:
        before, after = found["calibration"]["before"], found["calibration"]["after"]
        rows = [[name, number(before[name]), number(after[name]), ideal] for name, ideal in _IDEAL.items()]
        columns = ["measure", "before", "after", "ideal"]
        body.append(table(f"Calibration before and after the temperature, {part}", columns, rows, right=(1, 2, 3)))
    return body


def _sentences(found: Mapping[str, Any]) -> list[str]:
    lines = []
    if found["same_split"]:
        lines.append("It was fitted on these very images, so what follows is optimistic.")
    if found["test_openings"]:
        lines.append("It was fitted after its weights had opened a test set: no result on that set is independent.")
    share = f"Decided: {found['decided']:,} of {found['images']:,} images, coverage {_with(found, 'coverage')}; "
    share += f"accuracy of the decided {_with(found, 'selective_accuracy')}, "
    lines.append(f"{share}of all if none were rejected {number(found['accuracy_of_all'])}.")
    if found["decided"] < found["images"]:
        lines.append("The rates of classes are those among the decided images, the calibration is that of all.")
    return lines


def rates(rows: Sequence[Mapping[str, Any]], part: str) -> list[Html]:
    """Give two tables of each class against the rest, and a word on ratios without an end.

    Args:
        rows: As `cvrun.command._decided.class_rates` gives them.
        part: val or test.
    """
    kept = sorted(rows, key=lambda row: -(row["tp"] + row["fn"]))[:_MOST_CLASSES]
    found, called = [], []
    for row in (row for row in rows if row in kept):
        name = str(row["class"])
        images = f"{row['tp'] + row['fn']:,}"
        found.append([name, images, number(row["prevalence"]), *(_with(row, rate) for rate in _FOUND)])
        called.append([name, *(_with(row, rate) for rate in _CALLED), *ratios(row)])
    more = f"; the {len(kept)} largest of {len(rows):,} classes" if len(kept) < len(rows) else ""
    first = ["class", "images", "prevalence", "sensitivity (95%)", "specificity (95%)"]
    second = ["class", "PPV (95%)", "NPV (95%)", "LR+", "LR-"]
    captions = f"Each class against the rest at the decision, {part}{more}", f"What a call is worth, {part}{more}"
    note = infinite(kept)
    return [
        table(captions[0], first, found, right=range(1, 5), sortable=True),
        table(captions[1], second, called, right=range(1, 5), sortable=True),
        *([paragraph(f"{note}.", "quiet")] if note else []),
    ]


def _with(row: Mapping[str, Any], name: str) -> str:
    if row[name] is None:
        return "-"
    low, high = row[f"{name}_interval"]
    return f"{row[name]:.4f} ({low:.3f} to {high:.3f})"

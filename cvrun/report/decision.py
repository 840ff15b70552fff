"""What a frozen decision is, and what comes of it on a split, as text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from cvrun.errors import printable
from cvrun.report.summary import number
from cvrun.report.tables import text_table

_MOST_CLASSES = 25
"""A table with more rows is left to --json."""

_RIGHT = range(1, 5)


def in_words(parts: Mapping[str, Any]) -> str:
    """Give what a decision does, in one line.

    Args:
        parts: `temperature`, `operating_point`, `thresholds` and `reject`, as decision.json has them.
    """
    words = []
    if parts.get("temperature") is not None:
        words.append(f"temperature {parts['temperature']:.4g}")
    if point := parts.get("operating_point"):
        words.append(f"'{point['class']}' from {point['threshold']:.4g} on")
    if parts.get("thresholds") is not None:
        words.append("a threshold a class")
    if reject := parts.get("reject"):
        words.append(f"rejected below {reject['threshold']:.4g}")
    return printable(", ".join(words) or "nothing is changed")


def decision_text(found: Mapping[str, Any]) -> str:
    """Give an empty line and what comes of a decision: the rates of each class, what is rejected, the calibration.

    Args:
        found: As `cvrun.command._decided.at_decision` gives it.
    """
    lines = [f"at the frozen decision: {in_words(found)}; fitted on {found['fitted_images']:,} validation images"]
    if found["same_split"]:
        lines.append("fitted on this very split: what follows is optimistic, and no evidence for other images")
    if found["test_openings"]:
        count = found["test_openings"]
        opened = f"{count:,} time{'' if count == 1 else 's'}"
        lines.append(f"fitted after these weights had opened a test set {opened}: no result on it is independent")
    share = _share(found, "coverage")
    lines.append(f"decided: {found['decided']:,} of {found['images']:,} images, coverage {share}")
    of_all = number(found["accuracy_of_all"])
    lines.append(
        f"accuracy of the decided {_share(found, 'selective_accuracy')}, of all if none were rejected {of_all}"
    )
    if found["decided"] < found["images"]:
        lines.append("the rates of classes are those among the decided images, the calibration is that of all")
    text = "\n" + "\n".join(lines) + "\n" + rates_table(found["per_class"])
    return text + calibration_table(found["calibration"])


def rates_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Give the rates of each class against the rest, two tables, or nothing where there are too many classes.

    Args:
        rows: As `cvrun.command._decided.class_rates` gives them.
    """
    if not 0 < len(rows) <= _MOST_CLASSES:
        return ""
    found, called = [], []
    for row in rows:
        name = str(row["class"])
        share = [_share(row, rate) for rate in ("sensitivity", "specificity", "ppv", "npv")]
        found.append([name, f"{row['tp'] + row['fn']:,}", number(row["prevalence"]), *share[:2]])
        called.append([name, *share[2:], *ratios(row)])
    # Side by side they would be wider than most terminals.
    first = text_table(["class", "images", "prevalence", "sensitivity (95%)", "specificity (95%)"], found, right=_RIGHT)
    second = text_table(["class", "PPV (95%)", "NPV (95%)", "LR+", "LR-"], called, right=_RIGHT)
    note = infinite(rows)
    return f"\n{first}\n{second}" + (f"{note}\n" if note else "")


def calibration_table(found: Mapping[str, Mapping[str, float | None]]) -> str:
    """Give an empty line and the calibration before and after the temperature.

    Args:
        found: `before` and `after`, each as `cvrun.temperature.calibration` gives it.
    """
    before, after = found["before"], found["after"]
    ideal = {"loss": "", "brier": "", "ece": "0", "intercept": "0", "slope": "1"}
    cells = [[name, number(before[name]), number(after[name]), wanted] for name, wanted in ideal.items()]
    return "\n" + text_table(["calibration", "before", "after", "ideal"], cells, right=(1, 2, 3))


def coverage_table(rows: Sequence[Mapping[str, float]], aurc: float) -> str:
    """Give an empty line, the risk at shares of images that are decided, and the area under that curve.

    Args:
        rows: `coverage`, `risk` and `threshold` of each.
        aurc: The area.
    """
    cells = [[number(row[name]) for name in ("coverage", "risk", "threshold")] for row in rows]
    table = text_table(["coverage", "risk", "threshold"], cells, right=(0, 1, 2))
    return f"\n{table}area under risk and coverage (AURC) {aurc:.4f}\n"


def _share(row: Mapping[str, Any], name: str) -> str:
    if row[name] is None:
        return "-"
    low, high = row[f"{name}_interval"]
    return f"{row[name]:.4f} ({low:.3f} to {high:.3f})"


def ratios(row: Mapping[str, Any]) -> list[str]:
    """Give LR+ and LR- of a class, inf where one divides by nothing but zero, which is not the same as undefined."""
    positive, negative = row["lr_positive"], row["lr_negative"]
    sensitivity, specificity = row["sensitivity"], row["specificity"]
    if sensitivity is not None and specificity is not None:
        positive = math.inf if positive is None and specificity == 1 and sensitivity > 0 else positive
        negative = math.inf if negative is None and specificity == 0 and sensitivity < 1 else negative
    return [_ratio(positive), _ratio(negative)]


def infinite(rows: Sequence[Mapping[str, Any]]) -> str:
    """Give a sentence on what an infinite likelihood ratio among those of classes means; nothing without one."""
    found = [ratios(row) for row in rows]
    why = {"LR+": "no image of another class is called it", "LR-": "every image of another class is called it"}
    said = [f"{name} is inf where {why[name]}" for i, name in enumerate(why) if any(each[i] == "inf" for each in found)]
    return f"{'; '.join(said)}: few images may be why" if said else ""


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"

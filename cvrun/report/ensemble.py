"""What `cvrun ensemble` prints: the runs beside what they are together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cvrun.errors import printable
from cvrun.interval import FEW
from cvrun.report.summary import number
from cvrun.report.tables import text_table


def ensemble_text(found: Mapping[str, Any]) -> str:
    """Give an ensemble as text.

    Args:
        found: What `cvrun ensemble --json` prints; numbers that are undefined are None.
    """
    images, used, total = found["images"], found["cost"], len(found["members"])
    models = f"{used} models" if used > 1 else "1 model"
    runs = f"{total} runs" if used == total else f"{used} of {total} runs"
    views = ", each with test-time augmentation" if found["tta"] else ""
    head = f"{found['ensemble']}: {found['merge']} of {runs}{views} on {images:,} {found['part']} images"
    lines = [
        f"{found['agreed']:,} of {images:,} images get the same label from all {total} runs",
        f"cost: each image goes through {models}; a run's decision.json is not applied",
        *_remarks(found),
    ]
    return f"{printable(head)}\n\n{_table(found)}{_differences(found)}\n" + "".join(f"{line}\n" for line in lines)


def _remarks(found: Mapping[str, Any]) -> list[str]:
    """Give what one should know before one believes the numbers."""
    lines = []
    if found["unit"] == "group":
        lines.append(f"the intervals are over {found['units']:,} groups of images")
    if found["groups_unknown"]:
        lines.append("warning: groups of these images are not known here: intervals are too narrow")
    if found["units"] < FEW:
        lines.append(f"warning: intervals over fewer than {FEW} {found['unit']}s are too narrow too often")
    if undefined := max(row["undefined"] for row in found["differences"]):
        lines.append(f"warning: up to {undefined:,} resamples have no difference and are left out")
    if found["part"] == "val":
        lines.append("val chose the best run as well, which flatters it")
    if found["part"] == "val" and found["merge"] == "greedy":
        lines.append("val chose the runs, so what they reach on val is optimistic; see --part test")
    if not found["same_split"]:
        lines.append("the runs differ in their split; none was trained on an image of these")
    if found["merge"] == "vote":
        lines.append("shares of votes are no probabilities: read accuracy, not loss, brier and ece")
    return lines


def _table(found: Mapping[str, Any]) -> str:
    """Give a row for each run and one for the ensemble."""
    shown = [row["metric"] for row in found["differences"]]
    rows = []
    for row in found["members"]:
        share = f"{row['share']:.2f}" if row["picks"] else "-"
        rows.append([row["name"], share, *(number(row["metrics"].get(name)) for name in shown)])
    rows.append(["ensemble", "", *(number(found["metrics"].get(name)) for name in shown)])
    return text_table(["run", "share", *shown], rows, right=range(1, len(shown) + 2))


def _differences(found: Mapping[str, Any]) -> str:
    """Give an empty line and the differences to the best run."""
    best = next(row["name"] for row in found["members"] if row["run"] == found["best"])
    chosen = f"by {found['metric']} on {'these images' if found['part'] == 'val' else 'val'}"
    rows = [
        [row["metric"], _signed(row["difference"]), f"{_signed(row['low'])} to {_signed(row['high'])}", row["verdict"]]
        for row in found["differences"]
    ]
    table = text_table(["metric", "difference", "95% interval", ""], rows, right=(1, 2))
    return f"\n{printable(f'against {best}, the best run {chosen}:')}\n{table}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.4f}"

"""What `cvrun soup` prints: the models by themselves beside the mean of their weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cvrun.errors import printable
from cvrun.report.summary import number
from cvrun.report.tables import text_table


def soup_text(found: Mapping[str, Any], note: str = "") -> str:
    """Give a soup as text.

    Args:
        found: What `cvrun soup --json` prints; numbers that are undefined are None.
        note: What happened before, or nothing.
    """
    metric = f"val/{found['metric']}"
    rows = [
        [row["name"], f"{row['step']:,}", "yes" if row["kept"] else "no", number(row["score"])]
        for row in found["members"]
    ]
    rows.append(["soup", "", "", number(found["score"])])
    head = f"{found['soup']}: {found['said']}, {found['kind']}, on {found['images']:,} val images"
    head += f"; {note}" if note else ""
    lines = "".join(f"{printable(line)}\n" for line in _remarks(found))
    return f"{printable(head)}\n\n{text_table(['model', 'step', 'in it', metric], rows, right=(1, 3))}\n{lines}"


def _remarks(found: Mapping[str, Any]) -> list[str]:
    """Give what one should know before one believes the number."""
    lines = []
    if found["norm_images"]:
        lines.append(f"statistics of BatchNorm: anew, on {found['norm_images']:,} training images as they are")
    if found["worse_than_all"]:
        why = "; from different initial weights they do not average: start them from one file, model.weights=FILE"
        lines.append(f"warning: the soup scores below each of its models{'' if found['same_start'] else why}")
    if found["selected_on"]:
        lines.append("val chose the models, so what they reach on val is optimistic; cvrun test measures it")
    return lines

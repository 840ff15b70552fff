"""The data of a run: images of each class in each part, what was left out, and what identifies them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cvrun.report.page import Html, Section, paragraph, table
from cvrun.report.run_record import RunRecord
from cvrun.report.split_table import distances

_MOST_CLASSES = 200
_FLOW = {
    "listed": "listed by the source",
    "synthetic": "of these synthetic",
    "unplaced": "in no part of the split",
    "subset": "left out by data.subset",
    "unreadable": "left out since they cannot be read",
}


def data(record: RunRecord) -> Section:
    """Give the section about data and split, as the plan has them."""
    found = record.part("data")
    counts = {str(part): row for part, row in record.part("data", "counts").items() if isinstance(row, list)}
    names = found.get("classes")
    if not isinstance(names, list) or not counts or any(len(row) != len(names) for row in counts.values()):
        return Section("data", "Data and split", [paragraph("The plan of the run says nothing about its data.")])
    body = [_split([str(name) for name in names], counts, record.part("data", "groups"))]
    line = record.part("imbalance").get("line")
    said = str(line) if line else "The training images are shown as they are: nothing is resampled or weighted."
    body.append(paragraph(f"Imbalance: {said}" if line else said))
    body.append(
        paragraph("Distance: half the sum of the differences between the shares of a part and of all.", "quiet")
    )
    flow = record.part("data", "flow")
    rows = [[said, f"{flow[key]:,}"] for key, said in _FLOW.items() if type(flow.get(key)) is int]
    excluded = flow.get("excluded")
    if isinstance(excluded, Mapping):
        rows += [[f"excluded: {reason}", f"{count:,}"] for reason, count in excluded.items()]
    if rows:
        body.append(table("What became of the images", ["images", "count"], rows, right=(1,)))
    body.append(_identity(found))
    return Section("data", "Data and split", body)


def _split(names: list[str], counts: Mapping[str, list[int]], groups: Mapping[str, Any]) -> Html:
    kept = sorted(sorted(range(len(names)), key=lambda i: -sum(row[i] for row in counts.values()))[:_MOST_CLASSES])
    rows = [[names[i], *(f"{row[i]:,}" for row in counts.values())] for i in kept]
    if len(kept) < len(names):
        hidden = [sum(row) - sum(row[i] for i in kept) for row in counts.values()]
        rows.append([f"{len(names) - len(kept):,} smaller classes", *(f"{count:,}" for count in hidden)])
    rows.append(["all", *(f"{sum(row):,}" for row in counts.values())])
    if groups:
        rows.append(["groups", *(f"{groups[part]:,}" if type(groups.get(part)) is int else "-" for part in counts)])
    far = distances(counts)
    rows.append(["distance", *("-" if each is None else f"{each:.4f}" for each in far.values())])
    return table("Images of each class in each part", ["class", *counts], rows, right=range(1, len(counts) + 1))


def _identity(found: Mapping[str, Any]) -> Html:
    keys = {"data_fingerprint": "data", "split_fingerprint": "split", "test_names": "names of the test part"}
    rows = [[said, str(found[key])] for key, said in keys.items() if found.get(key)]
    form = found.get("form")
    if isinstance(form, Mapping):
        rows.append(["images are brought into", ", ".join(f"{k} {v}" for k, v in form.items() if v is not None)])
    return table("What identifies the data (sha256)", ["what", "value"], rows)

"""The report of `cvrun data`: the split, what the images are like, and what was found; as text and as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cvrun.audit.examine import Audit
from cvrun.audit.findings import Finding, number
from cvrun.data import Manifest
from cvrun.errors import CvrunError, printable
from cvrun.imbalance import imbalance_of
from cvrun.plan import DataFacts
from cvrun.report.split_table import split_table
from cvrun.report.tables import plain_table
from cvrun.spec import Spec
from cvrun.split import Split

SHOWN = 3
"""[images] that the text names of a finding; the JSON document has more."""


def text(audit: Audit, data: DataFacts, found: Sequence[Finding], shown: Sequence[float] = ()) -> str:
    """Give the report for people; shown as in split_table."""
    said = split_table(data.classes, data.counts, data.groups, data.strata, shown)
    said += "\n" + plain_table(_facts(audit)) + "\n"
    for one in found:
        said += printable(f"{'STOPS A RUN' if one.stops else 'finding'}: {one.what}") + "\n"
        said += "".join(f"  {printable(example)}\n" for example in one.examples[:SHOWN])
        if one.count > SHOWN and len(one.examples) > SHOWN:
            said += "  ...\n"
    stopping = sum(one.stops for one in found)
    if stopping:
        hint = "--exclude FILE lists what to leave out, data.accept_leakage=true trains with copies and torn groups"
        return f"{said}\n{number(stopping, 'finding')} would stop a run; {hint}\n"
    return f"{said}\nnothing here stops a run\n" if found else f"{said}nothing was found\n"


def shares_shown(spec: Spec, manifest: Manifest, split: Split) -> tuple[float, ...]:
    """Give the share of each class in an epoch where the sampler makes it another one; nothing where it cannot be said.

    A sampler or weights that do not fit the classes are for `cvrun check` to refuse.
    """
    try:
        return imbalance_of(spec, manifest, split).resampled_shares
    except CvrunError:
        return ()


def values(audit: Audit, data: DataFacts, found: Sequence[Finding]) -> dict[str, Any]:
    """Give the report for programs."""
    return {
        "classes": list(data.classes),
        "counts": {part: list(counts) for part, counts in data.counts.items()},
        "groups": data.groups,
        "split_fingerprint": data.split_fingerprint,
        "audited": list(audit.names),
        "images": len(audit.notes),
        "statistics": statistics(audit),
        "findings": [
            {"kind": f.kind, "what": f.what, "count": f.count, "stops": f.stops, "examples": list(f.examples)}
            for f in found
        ],
        "stops": any(f.stops for f in found),
    }


def statistics(audit: Audit) -> dict[str, Any]:
    """Give sizes, kinds and values of the images; the range of values is that of the training images alone."""
    notes = audit.notes[audit.notes["reason"] == b""]
    if len(notes) == 0:
        return {}
    train = audit.notes[audit.rows(audit.names.index("train"))]
    train = train[train["reason"] == b""]
    kinds, counts = np.unique(notes[["mode", "bits", "channels"]], return_counts=True)
    return {
        "width": _spread(notes["width"]),
        "height": _spread(notes["height"]),
        "aspect": _spread(notes["width"] / notes["height"]),
        "kinds": [
            {"mode": kind["mode"].decode(), "bits": int(kind["bits"]), "channels": int(kind["channels"]), "images": n}
            for kind, n in zip(kinds, counts.tolist(), strict=True)
        ],
        "values": [float(train["low"].min()), float(train["high"].max())] if len(train) else None,
    }


def _spread(numbers: Any) -> dict[str, float]:
    return {"least": float(numbers.min()), "middle": float(np.median(numbers)), "most": float(numbers.max())}


def _facts(audit: Audit) -> list[tuple[str, str]]:
    found = statistics(audit)
    if not found:
        return [("images", "none can be used")]
    sizes = [(key, "{least:,.0f} to {most:,.0f}, in the middle {middle:,.0f}") for key in ("width", "height")]
    rows = [(key, words.format(**found[key])) for key, words in sizes]
    shape = "{least:.2f} to {most:.2f}, in the middle {middle:.2f} (width / height)"
    rows.append(("aspect", shape.format(**found["aspect"])))
    kinds = [f"{kind['images']:,} {kind['mode']} ({kind['channels']} x {kind['bits']} bits)" for kind in found["kinds"]]
    rows.append(("kind", ", ".join(kinds)))
    if found["values"] is not None:
        low, high = (f"{value:g}" for value in found["values"])
        deep = np.isfinite(found["values"]).all() and any(kind["bits"] > 8 for kind in found["kinds"])
        hint = f"; data.value_range=[{low},{high}] uses all levels" if deep else ""
        rows.append(("values", f"{low} to {high} in train{hint}"))
    return rows

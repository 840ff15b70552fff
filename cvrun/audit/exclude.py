"""The table of images to leave out, as `data.exclude` reads it: what the user has left out, and what an audit adds.

Of two images that are copies in two parts the one goes that is further from the test: of train before val, of val
before test, and never one of the test part. Images of train and val that cannot be used go as well.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cvrun.audit.examine import Audit
from cvrun.audit.findings import reason_of
from cvrun.audit.likeness import IDENTICAL, across
from cvrun.cells import reasons_table


def to_leave_out(audit: Audit) -> dict[int, str]:
    """Give position in the manifest -> reason of what an audit would leave out."""
    found: dict[int, str] = {}
    for row in np.flatnonzero(audit.notes["reason"] != b"").tolist():
        if audit.part(row) != "test":
            found[int(audit.positions[row])] = f"cannot be used: {reason_of(audit, row)}"
    for one in range(len(audit.names)):
        for other in range(one + 1, len(audit.names)):
            for pair in across(audit.like, one, other):
                word = "identical to" if pair.likeness == IDENTICAL else f"copy (r {pair.score:.4f}) of"
                reason = f"{word} {audit.name(pair.other)} in {audit.names[other]}"
                found.setdefault(int(audit.positions[pair.row]), reason)
    return found


def table(audit: Audit, before: Mapping[int, str]) -> tuple[bytes, int]:
    """Give the content of the table, and how many images it adds to those that are left out already.

    Args:
        audit: Of the parts of a split, without what is left out.
        before: Position -> reason of what is left out already.
    """
    added = {position: why for position, why in to_leave_out(audit).items() if position not in before}
    rows = ((audit.manifest.ids[position], why) for position, why in {**before, **added}.items())
    return reasons_table(rows), len(added)

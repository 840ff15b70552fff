"""What picking the best of N runs comes to, in words."""

from __future__ import annotations

import math

from cvrun.report.summary import number
from cvrun.report.sweep import Sweep


def picked(sweep: Sweep) -> list[str]:
    """Give sentences about the best score of a sweep: of how many it is the best, and how much too good it is."""
    ranked = sweep.ranked
    if len(ranked) < 2:
        return []
    said = f"It is the best of N = {len(ranked):,} runs ({len(sweep.groups()):,} settings) by their validation images, "
    said += "so its score is likely too good: the more runs, the more of it is luck. "
    return [said + _how_much(sweep)]


def _how_much(sweep: Sweep) -> str:
    found = sweep.picking
    if found is None or math.isnan(found.expected):
        return f"How much is not known: {sweep.not_picked or 'no resample has a score'}."
    of = f"{found.models:,} of them" if found.models < len(sweep.ranked) else "all"
    said = f"A bootstrap over the {found.units:,} images, with the predictions of {of}, "
    comes = f"{number(found.expected)} is what the best picked this way comes to on images that did not choose it."
    if found.optimism <= 0:
        return f"{said}finds nothing of it here: {comes}"
    return f"{said}finds it too good by {number(found.optimism)} (optimism): {comes}"

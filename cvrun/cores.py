"""How many cores this process may use."""

from __future__ import annotations

import os


def cores() -> int:
    """Give the number of cores that the scheduler lets this process run on, at least 1.

    Of several processes that a launcher started on this machine, each has its share.
    """
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    sharing = os.environ.get("LOCAL_WORLD_SIZE") or "1"
    return max(1, there // max(1, int(sharing))) if sharing.isdecimal() else there

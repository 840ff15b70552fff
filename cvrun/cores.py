"""How many cores this process may use."""

from __future__ import annotations

import os


def cores(processes: int = 1) -> int:
    """Give the number of cores that each of some processes may run on, at least 1.

    Args:
        processes: That are to be started on this machine; of those that a launcher has started by now each has its
            share anyway.
    """
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    launched = os.environ.get("LOCAL_WORLD_SIZE") or ""
    return max(1, there // (int(launched) if launched.isdecimal() and int(launched) else processes))

"""Freed memory that stays with the process: the next step takes it again without asking the kernel for fresh pages.

Otherwise glibc gives each large activation back when it is freed, and every step pays for thousands of page faults.
"""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""The names of glibc's malloc.h."""

_MMAP_THRESHOLDS = (1 << 30, 1 << 25)
"""[bytes] The second is the most that glibc took before version 2.35."""


def keep_freed(wanted: bool) -> bool:
    """Have this process keep what it frees from now on; give whether that took effect.

    Nothing happens unless wanted, or where the C library is not glibc. It cannot be taken back.
    """
    if not wanted or not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):
        return False
    mapped = any(libc.mallopt(_M_MMAP_THRESHOLD, size) == 1 for size in _MMAP_THRESHOLDS)
    return libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1) == 1 and mapped

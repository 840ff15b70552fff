import platform
import subprocess
import sys

import pytest

from cvrun import allocator

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
COUNT = """
import resource, torch
from cvrun.allocator import keep_freed
print(keep_freed({wanted}))
sizes = [8 << 20, 40 << 20, 64 << 20]  # bytes
def rounds(number):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(number):
        kept = [torch.zeros(size, dtype=torch.uint8) for size in sizes]
        del kept
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
rounds(5)
print(rounds(20))
"""


def faults(wanted: bool) -> tuple[str, int]:
    """What keep_freed says, and the page faults of 20 rounds of large tensors, in a process of its own."""
    words = [sys.executable, "-c", COUNT.format(wanted=wanted)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    said, count = done.stdout.split()
    return said, int(count)


@glibc
def test_what_is_freed_is_taken_again_without_page_faults():
    """112 MiB a round are 28,672 pages of 4 KiB, or 56 of 2 MiB; 20 rounds have 1,120 faults at the very least."""
    (said, kept), (_, given_back) = faults(True), faults(False)
    assert said == "True"
    assert given_back > 1000 and kept < given_back / 10


def test_nothing_happens_where_the_library_is_another(monkeypatch):
    class Other:
        def __getattr__(self, name):
            raise AttributeError(name)

    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: Other())
    assert not allocator.keep_freed(True)
    monkeypatch.setattr(allocator.sys, "platform", "darwin")
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: pytest.fail("not on this system"))
    assert not allocator.keep_freed(True)


@pytest.mark.parametrize(("accepted", "took"), [(1 << 30, True), (1 << 25, True), (0, False)])
def test_an_older_library_takes_less(monkeypatch, accepted, took):
    """glibc before 2.35 refuses thresholds above half of its largest heap, 32 MiB."""
    asked = []

    class Older:
        gnu_get_libc_version = None

        def mallopt(self, name, value):
            asked.append((name, value))
            return int(name == -1 or value <= accepted)

    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: Older())
    monkeypatch.setattr(allocator.sys, "platform", "linux")
    assert allocator.keep_freed(True) is took
    assert asked[0] == (-3, 1 << 30) and asked[-1] == (-1, 2**31 - 1)

"""Suites: each gives plain numbers, every round of them, that page.py turns into tables.

Contract: `run(options: Options) -> dict`, JSON throughout; SUITES in ../run.py names them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """What the command line said.

    Attributes:
        rounds: Of each contender.
        quick: Whether it is only to be seen that all of it runs.
        peers: Names of those that take part; none: all.
        workloads: Words of which one stands in the name of each training; none: all trainings.
        threads: Of the arithmetic, and the cores on which everything runs.
        work: The folder for data.
        scratch: A folder for what contenders write and are told, and cvrun's cache.
    """

    rounds: int
    quick: bool
    peers: tuple[str, ...]
    workloads: tuple[str, ...]
    threads: int
    work: Path
    scratch: Path


def say(line: str) -> None:
    """Print at once."""
    print(line, flush=True)

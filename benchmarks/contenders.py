"""Who takes part: a script, the Python that runs it, and what it does differently from its default."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).resolve().parent
PEERS_PYTHON = BENCHMARKS.parent / ".venv-peers" / "bin" / "python"


@dataclass(frozen=True)
class Contender:
    """One row of a table.

    Attributes:
        label: Its name there.
        script: In peers/.
        says: Its flags, for people.
        flags: The same, for the script.
        needs: A module that only the environment of the peers has; none: it runs in cvrun's own.
        loads: Whether it has worker processes whose best number is looked for.
        cold: Whether cvrun's cache is removed before.
    """

    label: str
    script: str
    says: str
    flags: dict[str, Any] = field(default_factory=dict)
    needs: str = ""
    loads: bool = True
    cold: bool = False

    @property
    def peer(self) -> str:
        """The program, such as "timm"."""
        return self.label.split(",")[0]


BEST = {"best": True}
YOLO = "bench_yolo11n_cls"

CONTENDERS = (
    Contender("cvrun", "cvrun_train", "defaults, decoded images there from an earlier run", loads=False),
    Contender("cvrun, first run", "cvrun_train", "defaults, cache empty", loads=False, cold=True),
    Contender("cvrun, fp32", "cvrun_train", "trainer.precision=fp32", {"precision": "fp32"}, loads=False),
    Contender("cvrun, bf16", "cvrun_train", "trainer.precision=bf16", {"precision": "bf16"}, loads=False),
    Contender("tuned loop", "tuned_loop", "cvrun's pipeline in a hand-written loop", loads=False),
    Contender("plain loop", "plain", "fp32, contiguous"),
    Contender("plain loop, best", "plain", "bf16 autocast, channels_last, fused SGD, persistent workers", BEST),
    Contender("timm", "timm_train", "train.py's defaults"),
    Contender("timm, best", "timm_train", "--amp --amp-dtype bfloat16 --channels-last", BEST),
    Contender("lightning", "lightning_fit", "Trainer's defaults", needs="lightning"),
    Contender(
        "lightning, best",
        "lightning_fit",
        "bf16-mixed, channels_last, fused SGD, no bar, logger, summary, checkpoint",
        BEST,
        needs="lightning",
    ),
    Contender("keras", "keras_fit", "fit's defaults", needs="keras"),
    Contender("keras, best", "keras_fit", "bf16 autocast, channels_last, no bar", BEST, needs="keras"),
    Contender("ultralytics", "ultralytics_train", "defaults, fp32", needs="ultralytics"),
    Contender("ultralytics, best", "ultralytics_train", "cache=ram, no plots", BEST, "ultralytics"),
)

SAME_AGAIN = "cvrun, again"
"""The control: what the noise of the machine makes of equal contenders."""


def taking_part(rows: Sequence[str], peers: Sequence[str]) -> list[Contender]:
    """Give the contenders with these labels (none: all but Ultralytics), of these programs (none: of all)."""
    wanted = [c for c in CONTENDERS if (c.label in rows if rows else c.peer != "ultralytics")]
    return [c for c in wanted if not peers or c.peer in peers]


def python_of(contender: Contender, model: str) -> str | None:
    """Give the interpreter of a contender; None where it is not installed."""
    needs = contender.needs or ("ultralytics" if model == YOLO else "")
    if not needs:
        return sys.executable
    return str(PEERS_PYTHON) if has(needs) else None


@cache
def has(module: str) -> bool:
    """Whether the environment of the peers has a module."""
    if not PEERS_PYTHON.exists():
        return False
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    return subprocess.run([PEERS_PYTHON, "-c", code], capture_output=True).returncode == 0

"""The keys without an option, typed and checked: of a run, of `trainer`, `monitor` and, for every source, `data`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from cvrun.cores import cores
from cvrun.duration import Duration, parse
from cvrun.errors import one_of, require

PRECISIONS = ("fp32", "bf16", "fp16", "auto")
MODES = ("auto", "max", "min")
DELTA_MODES = ("abs", "rel")

MACHINE_KEYS = (
    "output_root",
    "rerun",
    "device",
    "devices",
    "compile",
    "threads",
    "keep_memory",
    "cache",
    "cache_budget",
    "workers",
    "worker_timeout",
    "deterministic",
    "keep_states",
    "disk_full",
    "audit",
    "strict_warnings",
)
"""Keys that say where and how a run is executed, not what it computes; they are not part of the run's id."""

TOP = ("name", "seed", "skip_unreadable", *MACHINE_KEYS)
"""The keys without a group."""

ON_FULL_DISK = ("stop", "go_on")
MOST_WORKERS = 16
"""[threads] That decode where the user does not say how many; more wait for each other in Python."""

_PATTERN = "a regular expression with exactly one bracket that catches, such as '^([^_]+)_'"

CACHES = ("auto", "ram", "disk", "off")


@dataclass(frozen=True)
class Settings:
    """The keys without a group."""

    name: str
    seed: int
    skip_unreadable: float
    output_root: str
    rerun: bool
    device: str
    devices: int
    compile: bool
    threads: int
    keep_memory: bool
    cache: str
    cache_budget: float
    workers: int
    worker_timeout: float
    deterministic: bool
    keep_states: int
    disk_full: str
    audit: bool
    strict_warnings: bool

    @property
    def num_workers(self) -> int:
        """[threads] That decode: as many as there are cores, where the user does not say how many."""
        return self.workers if self.workers >= 0 else min(cores(), MOST_WORKERS)

    def __post_init__(self) -> None:
        """Check the ranges."""
        plain = re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}", self.name)
        require(plain is not None, "name", self.name, "letters, digits and any of _ . + - (it names a folder)")
        require(0 <= self.seed < 2**63, "seed", self.seed, "0 <= seed < 2**63")
        known = re.fullmatch(r"auto|cpu|cuda(:\d+)?", self.device)
        require(known is not None, "device", self.device, "auto, cpu, cuda or cuda:N")
        require(1 <= self.devices <= 1024, "devices", self.devices, "1 <= devices <= 1024")
        one_of("cache", self.cache, CACHES)
        require(self.cache_budget > 0, "cache_budget", self.cache_budget, "cache_budget > 0 [GiB]")
        require(self.threads >= 0, "threads", self.threads, "threads >= 0")
        require(-1 <= self.workers <= 256, "workers", self.workers, "-1 <= workers <= 256")
        require(self.worker_timeout > 0, "worker_timeout", self.worker_timeout, "worker_timeout > 0 [seconds]")
        require(2 <= self.keep_states <= 10_000, "keep_states", self.keep_states, "2 <= keep_states <= 10000")
        one_of("disk_full", self.disk_full, ON_FULL_DISK)
        share = 0 <= self.skip_unreadable < 1
        require(share, "skip_unreadable", self.skip_unreadable, "0 <= skip_unreadable < 1 [fraction]")
        require(self.output_root != "", "output_root", "''", "a folder")


@dataclass(frozen=True)
class TrainerConfig:
    """The keys of `trainer`; configs/train.yaml says what each means."""

    epochs: int
    batch_size: int
    accumulate: int
    precision: str
    max_grad_norm: float
    ema_decay: float
    sync_batch_norm: bool
    eval_every: Duration
    save_every: Duration
    log_every: Duration
    eval_batch_size: int

    def __post_init__(self) -> None:
        """Check the ranges."""
        for key in ("epochs", "batch_size", "accumulate", "eval_batch_size"):
            require(getattr(self, key) >= 1, key, getattr(self, key), f"{key} >= 1")
        whole = "a number of parts that is not above trainer.batch_size"
        require(self.accumulate <= self.batch_size, "accumulate", self.accumulate, whole)
        one_of("precision", self.precision, PRECISIONS)
        require(self.max_grad_norm > 0, "max_grad_norm", self.max_grad_norm, "max_grad_norm > 0 (.inf: never scaled)")
        require(0 <= self.ema_decay < 1, "ema_decay", self.ema_decay, "0 <= ema_decay < 1")
        for key in ("eval_every", "save_every", "log_every"):
            number, _ = parse(getattr(self, key), key)
            require(number > 0, key, getattr(self, key), "a duration above 0")


@dataclass(frozen=True)
class DataConfig:
    """The keys of `data` that every source has; configs/train.yaml says what each means."""

    group_by: str | None
    group_pattern: str | None
    stratify_by: str | None
    exclude: str | None
    subset: float
    accept_leakage: bool
    hash_ids: bool
    pixel_size_um: float | None
    value_range: tuple[float, ...] | None
    card: str | None

    def __post_init__(self) -> None:
        """Check the ranges."""
        require(0 < self.subset <= 1, "subset", self.subset, "0 < subset <= 1 [fraction]")
        size = self.pixel_size_um
        require(size is None or 0 < size < math.inf, "pixel_size_um", size, "pixel_size_um > 0 [um]")
        both = self.group_by is not None and self.group_pattern is not None
        require(not both, "group_pattern", self.group_pattern, "null where data.group_by names a column")
        if self.group_pattern is not None:
            require(_brackets(self.group_pattern) == 1, "group_pattern", self.group_pattern, _PATTERN)
        limits = self.value_range
        # Values are multiplied by 255 before they are divided by the difference, which nothing overflows up to 7e305.
        usable = limits is None or (len(limits) == 2 and 0 < (limits[1] - limits[0]) * 255 < math.inf)
        require(usable, "value_range", limits and list(limits), "[low, high] with low < high, at most 7e305 apart")


def _brackets(pattern: str) -> int:
    """Give how many brackets of a regular expression catch what they match; -1 where it is none."""
    try:
        return re.compile(pattern).groups
    except (re.error, RecursionError, OverflowError):
        return -1


@dataclass(frozen=True)
class MonitorConfig:
    """The keys of `monitor`: one judge for best weights, plateau and early stopping."""

    metric: str
    mode: str
    min_delta: float
    delta_mode: str

    def __post_init__(self) -> None:
        """Check the ranges."""
        rule = "a metric of the validation split, val/..."
        why = "the test split may not choose anything" if self.metric.startswith("test") else ""
        require(self.metric.startswith("val/"), "metric", self.metric, rule, why)
        one_of("mode", self.mode, MODES)
        finite = math.isfinite(self.min_delta) and self.min_delta >= 0
        require(finite, "min_delta", self.min_delta, "min_delta >= 0")
        one_of("delta_mode", self.delta_mode, DELTA_MODES)

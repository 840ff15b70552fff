"""Spec: what the user wants, typed and checked, before any number is worked out."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cvrun import added, options
from cvrun.cores import cores
from cvrun.duration import Duration, parse
from cvrun.errors import ConfigError, did_you_mean, one_of, require
from cvrun.typed import to_dataclass

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
    "disk_full",
)
"""Keys that say where and how a run is executed, not what it computes; they are not part of the run's id."""

TOP = ("name", "seed", "skip_unreadable", *MACHINE_KEYS)
"""The keys without a group."""

ON_FULL_DISK = ("stop", "go_on")
MOST_WORKERS = 16
"""[threads] That decode where the user does not say how many; more wait for each other in Python."""

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
    disk_full: str

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


@dataclass(frozen=True)
class Choice:
    """The option of one group: the name of its module and its typed keys."""

    option: str
    config: Any


@dataclass(frozen=True)
class Spec:
    """Everything the user asked for.

    Attributes:
        id: The run's id; a resumed run keeps it, wherever its data lies now.
        settings: Keys without a group.
        trainer: Keys of `trainer`.
        monitor: Keys of `monitor`.
        parts: Group -> its option, for every group but the loggers.
        loggers: The chosen loggers by name.
        text: The composed configuration as YAML, with interpolations as the user wrote them.
        overrides: What the command line said, such as ("+exp=digits", "optimizer.lr=0.1").
        replaced: Key -> value in place of what text says, in order: a run that goes on may differ from its start.
    """

    id: str
    settings: Settings
    trainer: TrainerConfig
    monitor: MonitorConfig
    parts: Mapping[str, Choice]
    loggers: Mapping[str, Choice]
    text: str
    overrides: tuple[str, ...]
    replaced: tuple[tuple[str, Any], ...] = ()

    @property
    def changes(self) -> tuple[str, ...]:
        """What differs from the experiment: the overrides without `+exp=` and without machine keys."""
        skipped = ("exp", *MACHINE_KEYS)
        return tuple(text for text in self.overrides if text.lstrip("+").partition("=")[0] not in skipped)


def run_id(settings: Settings, trainer: TrainerConfig, monitor: MonitorConfig, parts: Mapping[str, Choice]) -> str:
    """Give a run's id: 8 hex digits of a sha256 over every value that can change a result.

    A key that came later counts only where it changes something, so that the ids of earlier runs stay.
    """
    top = {"seed": settings.seed, "skip_unreadable": settings.skip_unreadable}
    values: dict[str, Any] = added.before("", top)
    values["trainer"] = added.before("trainer", dataclasses.asdict(trainer))
    values["monitor"] = added.before("monitor", dataclasses.asdict(monitor))
    for group, choice in parts.items():
        keys = added.before(f"{group}/{choice.option}", dataclasses.asdict(choice.config))
        values[group] = {"option": choice.option, **keys}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]


def spec_of(values: Mapping[Any, Any], text: str, overrides: tuple[str, ...]) -> Spec:
    """Give the Spec of plain values.

    Args:
        values: The configuration, every interpolation resolved.
        text: The same as YAML, as the user wrote it.
        overrides: What the command line said.

    Raises:
        ConfigError: If a key is unknown or missing, has a wrong type or breaks a rule.
    """
    keys = {str(key): value for key, value in values.items()}
    known = (*TOP, "trainer", "monitor", *options.GROUPS)
    for key in keys:
        if key not in known:
            lost = "an experiment's file starts with '# @package _global_'"
            hint = lost if key == "exp" else did_you_mean(key, known)
            raise ConfigError(f"{key}: unknown key, expected one of {', '.join(known)}", hint)
    keys["logger"] = keys.get("logger") or {}
    for key in ("trainer", "monitor", *options.GROUPS):
        if not isinstance(keys.get(key), dict):
            raise ConfigError(f"{key}={keys.get(key)}: expected keys of its own")
    parts = {group: _choice(group, group, keys[group]) for group in options.GROUPS if group != "logger"}
    settings = to_dataclass(Settings, {key: keys[key] for key in TOP if key in keys}, "")
    trainer = to_dataclass(TrainerConfig, keys["trainer"], "trainer")
    monitor = to_dataclass(MonitorConfig, keys["monitor"], "monitor")
    return Spec(
        id=run_id(settings, trainer, monitor, parts),
        settings=settings,
        trainer=trainer,
        monitor=monitor,
        parts=parts,
        loggers={name: _choice("logger", f"logger.{name}", node) for name, node in keys["logger"].items()},
        text=text,
        overrides=overrides,
    )


def _choice(group: str, where: str, node: Any) -> Choice:
    if not isinstance(node, dict) or not isinstance(node.get("option"), str):
        raise ConfigError(f"{where}: expected keys with option=NAME among them")
    name = node["option"]
    module = options.load(group, name)
    rest = {str(key): value for key, value in node.items() if key != "option"}
    return Choice(name, to_dataclass(module.Config, rest, where))

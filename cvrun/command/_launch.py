"""Several devices: the processes that train together, started by torch's own launcher, and the device of each."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import signal
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from cvrun import dist
from cvrun.command._output import say
from cvrun.errors import ConfigError
from cvrun.prepare import resolve_device
from cvrun.spec import Spec
from cvrun.stopping import NUMBERS, exit_code

PATIENCE = 3600
"""[seconds] that the processes have for the step, the evaluation's batch and the commit that a signal finds them in."""


def launches(spec: Spec) -> bool:
    """Whether spec wants several devices, and no launcher has started this process as one of several."""
    return spec.settings.devices > 1 and dist.launched_world_size() is None


def launch(spec: Spec, words: Sequence[str]) -> int:
    """Run `cvrun WORDS` once for each device, as processes that train together; give the exit code.

    The first process that fails ends the others; it says why, and its code is the exit code. A signal is passed on, and
    the processes end where they agree to; a second one ends them at once.

    Args:
        spec: What the words say.
        words: A command that trains, such as ["train", "+exp=digits", "devices=2"].

    Raises:
        ConfigError: If the machine has fewer GPUs.
    """
    # Imported where it is used: one device needs none of it.
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    _require_possible(spec, spec.settings.devices)
    with tempfile.TemporaryDirectory(prefix="cvrun-launch-") as folder, _surroundings():
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=spec.settings.devices,
            run_id=uuid.uuid4().hex,
            rdzv_backend="c10d",
            # Port 0: a free one.
            rdzv_endpoint="127.0.0.1:0",
            local_addr="127.0.0.1",
            max_restarts=0,
            signals_to_handle=",".join(number.name for number in NUMBERS),
            logs_specs=DefaultLogsSpecs(log_dir=folder),
            **_optional(LaunchConfig, shutdown_timeout=PATIENCE),
        )
        try:
            elastic_launch(config, sys.executable)("-m", "cvrun", *words)
        except SignalException as error:
            return exit_code(error.sigval)
        except ChildFailedError as error:
            return _code({rank: failure.exitcode for rank, failure in error.failures.items()}, words[0])
    return 0


def in_this_world(spec: Spec) -> Spec:
    """Give spec with `devices` and `device` as they are for this process.

    Raises:
        ConfigError: If a launcher has started another number of processes than spec asks for, or a GPU is missing.
    """
    world = dist.launched_world_size()
    asked = spec.settings.devices
    said = any(text.partition("=")[0] == "devices" for text in spec.overrides) or "devices" in dict(spec.replaced)
    if asked != (world or 1) and (said or asked != 1):
        hint = "torchrun --nproc-per-node says it, leave devices out beside it" if world else "cvrun train starts them"
        raise ConfigError(f"devices={asked}: expected {world or 1}, as many as processes were started", hint)
    if world is None or world == 1:
        return spec
    _require_possible(spec, world)
    device = device_of(spec, dist.local_rank())
    return dataclasses.replace(spec, settings=dataclasses.replace(spec.settings, devices=world, device=device))


def _require_possible(spec: Spec, world: int) -> None:
    """See that a number of processes on this machine can do what spec wants."""
    device_of(spec, rank=int(os.environ.get("LOCAL_WORLD_SIZE") or world) - 1)
    if spec.settings.compile and spec.trainer.sync_batch_norm:
        message = "trainer.sync_batch_norm=true: not in a compiled model, expected compile=false"
        raise ConfigError(message, "or trainer.sync_batch_norm=false")


def device_of(spec: Spec, rank: int) -> str:
    """Give the device of a process: "cpu", or the GPU with the number of its rank on this machine.

    Raises:
        ConfigError: If there is no such GPU, or the user has named one for all.
    """
    asked = spec.settings.device
    if asked.startswith("cuda:"):
        message = f"device={asked}: one device, and devices={spec.settings.devices} asks for more"
        raise ConfigError(message, "expected cuda, cpu or auto; CUDA_VISIBLE_DEVICES says which GPUs")
    device = resolve_device(asked)
    if device == "cpu":
        return device
    there = torch.cuda.device_count()
    if rank >= there:
        raise ConfigError(f"devices={rank + 1}: expected at most {there}, the GPUs of this machine", "or device=cpu")
    return f"{device}:{rank}"


def _optional(kind: type[Any], **values: Any) -> dict[str, Any]:
    """Give the values whose fields a dataclass of torch has in this version; torch 2.11 waits 30 seconds."""
    known = {field.name for field in dataclasses.fields(kind)}
    return {name: value for name, value in values.items() if name in known}


def _code(failed: dict[int, int], command: str) -> int:
    """Give the exit code of the run from the exit codes of the processes that failed; a signal's number is negative."""
    killed = {rank: -code for rank, code in failed.items() if code < 0 and -code != signal.SIGTERM}
    if killed:
        rank, number = next(iter(sorted(killed.items())))
        say(f"cvrun {command}: rank {rank} was killed by {signal.Signals(number).name}")
        return 128 + number
    # Those that another one's failure has ended have its code.
    return next((code for code in failed.values() if code > 0), 1)


@contextlib.contextmanager
def _surroundings() -> Iterator[None]:
    """Have the processes find this cvrun and each other, and let the launcher say nothing and change no handler."""
    kept, handlers = dict(os.environ), {number: signal.getsignal(number) for number in NUMBERS}
    # Python would look for modules in the working directory first, where a user's file may have the name of one.
    os.environ.update(PYTHONPATH=os.pathsep.join(path or os.getcwd() for path in sys.path), PYTHONSAFEPATH="1")
    if sys.platform == "linux":
        # Gloo asks for the address of the host's name, which may have none.
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.environ.clear()
        os.environ.update(kept)

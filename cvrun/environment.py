"""What bits depend on beside the configuration: versions, device, threads, the code itself."""

from __future__ import annotations

import functools
import os
import platform
import re
import subprocess
from pathlib import Path

import torch

from cvrun import __version__
from cvrun.cores import cores

DEFAULT_THREADS = torch.get_num_threads()
"""[threads] What torch chose at start-up, before any run set its own."""


def default_threads(processes: int) -> int:
    """Give the threads of torch in each of some processes that train together on this machine, at least 1.

    No more than torch chose by itself, which OMP_NUM_THREADS bounds.
    """
    return min(DEFAULT_THREADS, cores(processes))


def environment(
    device: str, threads: int, deterministic: bool, compiled: bool = False, devices: int = 1
) -> dict[str, str]:
    """Give versions, devices, threads and kernels as text; where one differs, a run that goes on has other bits."""
    name = platform.machine() if device == "cpu" else torch.cuda.get_device_name(device)
    capability = torch.backends.cpu.get_cpu_capability()
    return {
        "torch": str(torch.__version__),
        "device": f"{device} {name} {capability}{' compiled' if compiled else ''}",
        "devices": str(devices),
        "threads": str(threads),
        "deterministic": str(deterministic),
    }


@functools.cache
def processor() -> str:
    """Give the model of the CPU, such as "AMD EPYC 9654 96-Core Processor", and what torch uses of it."""
    found = None
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            found = re.search(r"^model name\s*:\s*(.+)$", file.read(), re.MULTILINE)
    name = found[1] if found else platform.processor() or platform.machine()
    return f"{name} {torch.backends.cpu.get_cpu_capability()}"


def code_version() -> str:
    """Give cvrun's version, with the commit when it runs from a checkout; "-dirty" marks uncommitted changes."""
    top = Path(__file__).resolve().parent.parent
    if not (top / ".git").exists():
        return __version__
    command = ["git", "-C", os.fspath(top), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return __version__
    return f"{__version__}+{done.stdout.strip()}"

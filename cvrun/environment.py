"""What bits depend on beside the configuration: versions, device, threads, the code itself."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import torch

from cvrun import __version__

DEFAULT_THREADS = torch.get_num_threads()
"""[threads] What torch chose at start-up, before any run set its own."""


def environment(device: str, threads: int, deterministic: bool) -> dict[str, str]:
    """Give versions, device, threads and kernels as text; where one differs, a run that goes on has other bits."""
    name = platform.machine() if device == "cpu" else torch.cuda.get_device_name(device)
    capability = torch.backends.cpu.get_cpu_capability()
    return {
        "torch": str(torch.__version__),
        "device": f"{device} {name} {capability}",
        "threads": str(threads),
        "deterministic": str(deterministic),
    }


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

"""Where a benchmark ran: machine, versions, commit."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from importlib import metadata
from pathlib import Path

from contenders import BENCHMARKS, PEERS_PYTHON

FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile")
OURS = ("torch", "torchvision", "timm", "numpy", "pillow", "hydra-core")
PEERS = ("lightning", "keras", "ultralytics", "scikit-image")


def facts(threads: int) -> dict:
    """Give what a reader has to know of the machine and the software, JSON throughout."""
    return {
        "time": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "cpu": _cpu(),
        "cpu_flags": [flag for flag in FLAGS if flag in _flags()],
        "cores": len(os.sched_getaffinity(0)),
        "threads": threads,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}, glibc {platform.libc_ver()[1]}",
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in OURS} | _versions_of_peers(),
        "commit": _git("rev-parse", "--short", "HEAD"),
        "dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
    }


def _cpu() -> str:
    names = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _flags() -> set[str]:
    return set(next((line.partition(":")[2] for line in _cpuinfo() if line.startswith("flags")), "").split())


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.is_file() else []


def _versions_of_peers() -> dict[str, str]:
    if not PEERS_PYTHON.exists():
        return {}
    code = (
        "import json; from importlib import metadata\n"
        "installed = {d.metadata['Name']: d.version for d in metadata.distributions()}\n"
        f"print(json.dumps({{name: installed[name] for name in {PEERS!r} if name in installed}}))"
    )
    found = subprocess.run([PEERS_PYTHON, "-c", code], capture_output=True, text=True)
    return json.loads(found.stdout) if found.returncode == 0 else {}


def _git(*words: str) -> str:
    found = subprocess.run(["git", "-C", BENCHMARKS, *words], capture_output=True, text=True)
    return found.stdout.strip()

"""The smaller benchmarks, each a script of its own whose output is kept as it is."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from contenders import BENCHMARKS

from suites import Options, say

SCRIPTS = ("overhead", "checkpoint", "step", "augment", "store", "ddp", "startup", "sweep", "views")
LONGEST = 600
"""[s] A script may take."""


def run(options: Options) -> dict:
    """Give what each script that is there printed."""
    found = []
    for name in () if options.quick else SCRIPTS:
        path = BENCHMARKS / f"{name}.py"
        if not path.is_file():
            continue
        began = time.time()
        environment = os.environ | {"OMP_NUM_THREADS": str(options.threads), "PYTHONWARNINGS": "ignore"}
        try:
            done = subprocess.run(
                [sys.executable, path], capture_output=True, text=True, timeout=LONGEST, env=environment
            )
            text = done.stdout if done.returncode == 0 else f"failed: {' '.join(done.stderr.splitlines()[-1:])}"
        except subprocess.TimeoutExpired:
            text = f"failed: more than {LONGEST} s"
        say(f"{name}, {time.time() - began:.0f} s\n{text}")
        about = path.read_text().split('"""')[1].strip().splitlines()[0]
        found.append({"name": name, "about": about, "text": text, "seconds": time.time() - began})
    return {"scripts": found}

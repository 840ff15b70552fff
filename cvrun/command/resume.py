"""Go on with an interrupted run: `cvrun resume outputs/digits/3fa9c1d2`."""

from __future__ import annotations

import argparse
from pathlib import Path


def run(arguments: list[str]) -> int:
    """Bring the run to its end from its last commit; give the exit code."""
    from cvrun.config import RESUME_KEYS, load

    parser = argparse.ArgumentParser("cvrun resume", description=__doc__)
    parser.add_argument("run", type=Path, help="the run's folder")
    keys = ", ".join(RESUME_KEYS)
    parser.add_argument(
        "overrides", nargs="*", default=[], metavar="KEY=VALUE", help=f"only {keys}: they move the work"
    )
    given = parser.parse_args(arguments)

    from cvrun.command._execute import execute
    from cvrun.command._output import show
    from cvrun.command._run_folder import existing
    from cvrun.report.summary import summary

    folder = existing(given.run)
    outcome = execute(load(folder.spec, given.overrides), folder, rerun=False)
    show(summary(outcome.folder, outcome.status, outcome.note))
    return outcome.exit_code

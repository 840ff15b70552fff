"""Go on with an interrupted run: `cvrun resume outputs/digits/3fa9c1d2`."""

from __future__ import annotations

from pathlib import Path

from cvrun.command._arguments import parser_of
from cvrun.command._execute import execute
from cvrun.command._output import show
from cvrun.command._run_folder import existing
from cvrun.config import load
from cvrun.keys import RESUME_KEYS
from cvrun.report.summary import summary


def run(arguments: list[str]) -> int:
    """Bring the run to its end from its last commit; give the exit code."""
    parser = parser_of("resume", __doc__)
    parser.add_argument("run", type=Path, help="the run's folder")
    said = f"only {', '.join(RESUME_KEYS)}: they move the work"
    parser.add_argument("overrides", nargs="*", default=[], metavar="KEY=VALUE", help=said)
    given = parser.parse_args(arguments)
    folder = existing(given.run)
    outcome = execute(load(folder.spec, given.overrides), folder, rerun=False)
    show(summary(outcome.folder, outcome.status, outcome.note), kept=outcome.folder)
    return outcome.exit_code

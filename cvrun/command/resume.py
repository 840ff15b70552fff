"""Go on with a run, as it was or longer: `cvrun resume outputs/digits/3fa9c1d2 trainer.epochs=40`."""

from __future__ import annotations

from pathlib import Path

from cvrun.command._arguments import parser_of
from cvrun.command._changes import asked
from cvrun.command._execute import execute
from cvrun.command._launch import launch, launches
from cvrun.command._output import show
from cvrun.command._run_folder import existing, require_trained
from cvrun.keys import ALLOWED, FREE, LR_FLAG, of_class
from cvrun.report.summary import summary


def run(arguments: list[str]) -> int:
    """Bring the run to its end from its last commit; give the exit code."""
    parser = parser_of("resume", __doc__)
    parser.add_argument("run", type=Path, help="the run's folder")
    changes = f"may change, and is kept in changes.jsonl: {of_class(ALLOWED)}"
    said = f"{changes}; moves the work, for this time: {of_class(FREE)}; a group takes GROUP=NAME or GROUP.KEY=VALUE"
    parser.add_argument("overrides", nargs="*", default=[], metavar="KEY=VALUE", help=said)
    parser.add_argument(LR_FLAG, action="store_true", help="lets optimizer.lr be among them: the peak of the schedule")
    given = parser.parse_intermixed_args(arguments)
    folder = existing(given.run)
    require_trained(folder)
    spec, new = asked(folder, given.overrides, given.allow_lr_change)
    if launches(spec):
        return launch(spec, ["resume", *arguments])
    outcome = execute(spec, folder, rerun=False, changes=new)
    if outcome.ours:
        show(summary(outcome.folder, outcome.status, outcome.note), kept=outcome.folder)
    return outcome.exit_code

"""Train the best settings of a sweep with new seeds, and tell whether they hold: `cvrun confirm outputs/digits`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from cvrun.command._arguments import parser_of
from cvrun.command._confirmed import SUFFIX, NewRun, new_runs, other_data, picked, train_all
from cvrun.command._job import Ending
from cvrun.command._output import say, show
from cvrun.errors import ConfigError
from cvrun.report.confirm import Again, confirmed, plain
from cvrun.report.sweep import Group, Sweep
from cvrun.report.sweep_page import setting_of
from cvrun.report.tables import text_table

MOST = 1000
"""Settings, and seeds, that one command takes."""


def run(arguments: list[str]) -> int:
    """Train what is missing, and print how the settings did; give the exit code.

    Raises:
        ConfigError: If there is nothing to pick from.
    """
    parser = parser_of("confirm", f"{__doc__} The same command again goes on where it stopped.")
    parser.add_argument("folder", type=Path, help=f"with finished runs below it; new ones lie in NAME{SUFFIX} beside")
    parser.add_argument("--top", type=_number("--top"), default=3, metavar="N", help="settings; default: 3")
    parser.add_argument("--seeds", type=_number("--seeds"), default=5, metavar="N", help="new seeds each; default: 5")
    parser.add_argument("--dry-run", action="store_true", help="list the runs and train none")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    said = "how to work: device=cuda, threads=4, workers=4, data.root=FOLDER"
    parser.add_argument("overrides", nargs="*", default=[], metavar="KEY=VALUE", help=said)
    given = parser.parse_intermixed_args(arguments)
    sweep, groups = picked(given.folder, given.top)
    runs = new_runs(sweep, groups, given.seeds, given.overrides)
    if given.dry_run:
        show(_listed(sweep, groups, runs, given.json))
        return 0
    endings, code = train_all(runs)
    for line in {other_data(run, groups[run.place].runs[0]) for run in runs if run.folder.spec.is_file()} - {""}:
        say(line)
    settings = _again(sweep, groups, runs, endings)
    mode = groups[0].runs[0].mode
    kept = f"the runs in {runs[0].folder.path.parent}"
    if given.json:
        document = {"folder": given.folder.as_posix(), "monitor": sweep.monitor, **plain(settings, mode)}
        show(json.dumps(document, indent=2, allow_nan=False) + "\n", kept=kept)
    else:
        show(confirmed(settings, sweep.monitor, mode), kept=kept)
    failed = [(run, ending) for run, ending in zip(runs, endings, strict=True) if ending.exit_code]
    for one, ending in failed:
        say(f"cvrun confirm: {one.folder.path}: {ending.state}")
    if failed:
        say(f"cvrun confirm: {len(failed)} of {len(runs)} runs have not finished; the same command again goes on")
    return code


def _again(sweep: Sweep, groups: Sequence[Group], runs: Sequence[NewRun], endings: Sequence[Ending]) -> list[Again]:
    scores: list[dict[int, float | None]] = [{} for _ in groups]
    for one, ending in zip(runs, endings, strict=True):
        scores[one.place][one.seed] = ending.score if ending.exit_code == 0 else None
    return [Again(_words(sweep, group), group.spread, found) for group, found in zip(groups, scores, strict=True)]


def _words(sweep: Sweep, group: Group) -> str:
    return setting_of(sweep, group.runs[0]) if sweep.varying else group.runs[0].label


def _listed(sweep: Sweep, groups: Sequence[Group], runs: Sequence[NewRun], as_json: bool) -> str:
    """Give the runs with their states, without training any."""
    found = [
        {
            "path": one.folder.path.as_posix(),
            "setting": _words(sweep, groups[one.place]),
            "like": groups[one.place].runs[0].facts["path"],
            "seed": one.seed,
            "state": str((one.folder.read_status() or {}).get("state", "new")),
        }
        for one in runs
    ]
    if as_json:
        return json.dumps(found, indent=2) + "\n"
    rows = [[row["path"], row["state"], f"{row['seed']}", row["like"], row["setting"]] for row in found]
    return text_table(["run", "state", "seed", "like", "setting"], rows, right=(2,), whole=(0, 1, 3))


def _number(flag: str) -> Callable[[str], int]:
    def number(word: str) -> int:
        found = int(word) if word.isdecimal() else 0
        if not 1 <= found <= MOST:
            raise ConfigError(f"{flag} {word}: expected a number from 1 to {MOST:,}")
        return found

    return number

"""Audit a data set: what is unreadable, odd, doubled or in two parts; `cvrun data +exp=... --exclude FILE`."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np

from cvrun.command._arguments import parser_of
from cvrun.command._output import say, show
from cvrun.command._sweep import sweeps, take_fail_fast
from cvrun.config import HydraJob, run_command
from cvrun.errors import ConfigError, CvrunError, DataError
from cvrun.folder import finite, write_atomic
from cvrun.spec import Spec
from cvrun.warned import Warned, hearing, not_wanted

_OUTPUTS = ("exclude", "sheet", "split")


def run(arguments: list[str]) -> int:
    """Print the report on the data of a job; give 3 where a run would not start, else 0."""
    given, rest = _parser().parse_known_args(arguments)
    words, _ = take_fail_fast(rest)
    if sweeps(words):
        raise ConfigError("-m: a sweep, expected one data set", "cvrun data looks at one split at a time")
    codes: list[int] = []
    run_command(words, "cvrun data", lambda job: codes.append(_audit(job, given)))
    return next((code for code in codes if code), 0)


def _parser() -> argparse.ArgumentParser:
    about = f"{__doc__} Every other argument is one of cvrun train."
    parser = parser_of("data", about)
    parser.allow_abbrev = False
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--sealed", action="store_true", help="leave the test part out")
    parser.add_argument("--exclude", type=Path, metavar="FILE", help="write what to leave out, for data.exclude")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="write a picture (PNG) of some images of each class")
    parser.add_argument(
        "--split", type=Path, metavar="FILE", help="write which image is in which part, for split=frozen"
    )
    parser.add_argument("--force", action="store_true", help="replace these files")
    return parser


def _audit(job: HydraJob, given: argparse.Namespace) -> int:
    try:
        with hearing() as warned:
            return _report(job, given, warned)
    except CvrunError as error:
        say(f"cvrun data: {error}")
        return error.exit_code


def _report(job: HydraJob, given: argparse.Namespace, warned: Warned) -> int:
    spec = job.compose()
    from cvrun.audit.examine import examine
    from cvrun.audit.exclude import table
    from cvrun.audit.findings import findings
    from cvrun.audit.sheet import sheet
    from cvrun.audit.verdict import keep
    from cvrun.command._data_report import shares_shown, text, values
    from cvrun.exclusion import exclusions
    from cvrun.outside import require_cache_outside
    from cvrun.selection import facts, select
    from cvrun.split import Split
    from cvrun.split._file import content

    for name in _OUTPUTS:
        _require_new(f"--{name}", getattr(given, name), spec, given.force)
    require_cache_outside(spec)
    # Groups in two parts are a finding among others here.
    selection = select(dataclasses.replace(spec, data=dataclasses.replace(spec.data, accept_leakage=True)))
    manifest, split = selection.manifest, selection.split
    names = [name for name, rows in split.parts().items() if len(rows) and not (given.sealed and name == "test")]
    settings = spec.settings
    audit = examine(manifest, split, names, settings.num_workers, settings.worker_timeout)
    found = findings(audit, settings.skip_unreadable, spec.data.accept_leakage)
    started: Split = split
    if settings.skip_unreadable > 0:
        unreadable = audit.positions[audit.notes["reason"] != b""]
        started = dataclasses.replace(split, train=split.train[~np.isin(split.train, unreadable)])
    warned.strict = settings.strict_warnings
    warned.add([*selection.warnings, *keep(audit, started)])
    lines = []
    if given.exclude is not None:
        rows, added = table(audit, exclusions(manifest, spec.data.exclude))
        write_atomic(given.exclude, rows)
        lines.append(f"{given.exclude}: {added:,} images to leave out; data.exclude={given.exclude} does so")
    if given.sheet is not None:
        write_atomic(given.sheet, sheet(audit))
        lines.append(f"{given.sheet}: images of each class")
    if given.split is not None:
        write_atomic(given.split, content(manifest, split))
        lines.append(f"{given.split}: the split; split=frozen split.file={given.split} uses it")
    data = facts(selection)
    if given.json:
        show(json.dumps(finite(values(audit, data, found)), indent=2) + "\n")
    else:
        show(text(audit, data, found, shares_shown(spec, manifest, split)))
    for line in lines:
        say(line)
    if warned.first:
        say(f"cvrun data: {not_wanted(warned.first)}")
    if any(one.stops for one in found):
        return DataError.exit_code
    return ConfigError.exit_code if warned.first else 0


def _require_new(flag: str, path: Path | None, spec: Spec, force: bool) -> None:
    """See that a file can be written without harm.

    Raises:
        ConfigError: If it is there and may not be replaced, or lies in a folder of the data.
    """
    from cvrun.outside import require_outside

    if path is None:
        return
    if path.exists() and not force:
        raise ConfigError(f"{flag} {path}: exists, expected a new file", "--force replaces it")
    require_outside(spec, path, f"{flag} {path}:")

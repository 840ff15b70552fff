"""Rank labels that may be wrong by what runs predict for images they did not train on: `cvrun suspects RUN...`."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from cvrun.audit.suspects import Suspect, rank, read
from cvrun.cells import reasons_table
from cvrun.command._arguments import parser_of
from cvrun.command._output import say, show
from cvrun.command._run_folder import existing
from cvrun.errors import ConfigError, CvrunError
from cvrun.folder import RunFolder, write_atomic
from cvrun.report.tables import text_table


def run(arguments: list[str]) -> int:
    """Print the least likely labels, and write them for data.exclude where that is asked for; give the exit code."""
    given = _parser().parse_args(arguments)
    if given.top < 1:
        raise ConfigError(f"--top {given.top}: expected a number of images above 0")
    output: Path | None = given.output
    if output is not None and output.exists() and not given.force:
        raise ConfigError(f"--output {output}: exists, expected a new file", "--force replaces it")
    folders = [existing(path) for path in dict.fromkeys(given.runs)]
    if output is not None:
        for folder in folders:
            _require_outside(folder, output)
    every = rank([read(folder.predictions / "val.npz") for folder in folders])
    top = every[: given.top]
    if given.json:
        show(json.dumps([dataclasses.asdict(one) for one in top], indent=2) + "\n")
    else:
        show(_table(top, len(every), len(folders)))
    if output is not None:
        write_atomic(output, _excluding(top))
        say(f"{output}: {len(top):,} images; look at them before data.exclude={output} leaves them out")
    return 0


def _require_outside(folder: RunFolder, output: Path) -> None:
    """See that a file does not lie in the data of a run, where it can be known what these are.

    Raises:
        ConfigError: If it does.
    """
    from cvrun.config import load
    from cvrun.outside import require_outside

    spec = None
    with contextlib.suppress(CvrunError):
        spec = load(folder.spec, ())
    if spec is not None:
        require_outside(spec, output, f"--output {output}:")


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("suspects", __doc__)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders of runs, such as all of a k-fold")
    parser.add_argument("--top", type=int, default=20, metavar="N", help="images to name; default: 20")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write them as data.exclude reads them")
    parser.add_argument("--force", action="store_true", help="replace that file")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser


def _table(top: Sequence[Suspect], total: int, runs: int) -> str:
    rows = [
        [one.name, one.label, one.likeliest, f"{one.probability:.4f}", f"{one.loss:.3f}", str(one.runs)] for one in top
    ]
    columns = ["image", "label", "likeliest", "p(label)", "loss", "runs"]
    table = text_table(columns, rows, right=(3, 4, 5), whole=(0,))
    return f"{table}\n{len(top):,} of {total:,} validation images of {runs:,} runs, the least likely label first\n"


def _excluding(top: Sequence[Suspect]) -> bytes:
    return reasons_table(
        (one.name, f"suspect label {one.label}: p {one.probability:.4f}, likeliest {one.likeliest}") for one in top
    )

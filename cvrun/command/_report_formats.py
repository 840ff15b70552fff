"""The report of a run, or of a folder of runs, as Markdown or JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cvrun.command._output import show
from cvrun.command._report_data import own_data
from cvrun.command._report_decision import decision_of
from cvrun.command._report_folder import holds_runs, runs_below
from cvrun.command._report_intervals import record_of
from cvrun.command._report_slices import Data, slices_of
from cvrun.command._run_folder import existing
from cvrun.errors import ConfigError, printable
from cvrun.folder import RunFolder, write_atomic
from cvrun.report.checklist_shown import checklist_markdown, checklist_values
from cvrun.report.markdown import markdown, markdown_sweep, plain, plain_sweep
from cvrun.report.run_record import RunRecord


def with_looked(record: RunRecord, folder: RunFolder, data: Data, by: Sequence[str]) -> RunRecord:
    """Give a run with what comes of its decision, and its validation images by group and other columns.

    Args:
        record: The run.
        folder: Of it.
        data: -> its data, or None and why.
        by: Columns of the data beside those of its split.

    Raises:
        ConfigError: If there is no such column, or its data cannot be read; or by is asked for where images have any
            number of labels.
        DataError: If its predictions are damaged.
    """
    if record.several:
        if by:
            raise ConfigError(f"--by {by[0]}: looks at one class an image, expected none with task=multilabel")
        return record
    return replace(record, decision=decision_of(folder), slices=slices_of(folder, data, by))


def other_format(path: Path, form: str, by: Sequence[str] = ()) -> str:
    """Give the report as text.

    Args:
        path: A run, or a folder with runs below it.
        form: md or json.
        by: Columns of the data by which validation images are shown as well; of a run.

    Raises:
        ConfigError: If there is no such run, or no such column.
        CheckpointError: If its predictions are damaged.
        DataError: If those for its decision are.
    """
    if holds_runs(path):
        sweep = runs_below(path)
        return markdown_sweep(sweep) if form == "md" else _json(plain_sweep(sweep))
    folder = existing(path)
    record = with_looked(record_of(folder, [], None), folder, lambda: own_data(folder), by)
    return markdown(record) if form == "md" else _json(plain(record))


def checklist_of(path: Path, name: str, form: str, output: Path | None) -> str:
    """Give the checklist of a run as text.

    Args:
        path: The run.
        name: claim or tripod.
        form: md or json.
        output: Where it will lie, for its links; None where it is printed.

    Raises:
        ConfigError: If there is no such run.
        CheckpointError: If its predictions are damaged.
    """
    record = record_of(existing(path), [], None)
    if form == "json":
        return _json(checklist_values(record, name))
    return checklist_markdown(record, name, seen_from(path, output.parent if output else Path()))


def seen_from(run: Path, place: Path) -> str:
    """Give how a link in a folder names a run's folder."""
    return Path(os.path.relpath(run, place)).as_posix()


def give(content: str, output: Path | None, force: bool) -> int:
    """Print a report, or write it to a file and print where it is; give the exit code.

    Raises:
        ConfigError: If something stands there already and force is not set.
        StorageError: If it cannot be written.
    """
    if output is None:
        show(content)
        return 0
    if output.is_dir():
        raise ConfigError(f"--output={output}: is a folder, expected a file name such as report.md")
    if os.path.lexists(output) and not force:
        raise ConfigError(f"--output={output}: exists already", "--force replaces it, or take another name")
    write_atomic(output, content.encode())
    show(f"{printable(os.fspath(output))}\n", kept=output)
    return 0


def _json(values: object) -> str:
    return json.dumps(values, indent=2, allow_nan=False) + "\n"

"""Write a page about a run, or about all runs below a folder: `cvrun report outputs/digits/3fa9c1d2`."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cvrun import __version__
from cvrun.command._arguments import parser_of
from cvrun.command._looked import looked_at
from cvrun.command._output import show
from cvrun.command._report_data import own_data
from cvrun.command._report_folder import folder_page, holds_runs
from cvrun.command._report_formats import checklist_of, give, other_format, seen_from, with_looked
from cvrun.command._report_intervals import record_of
from cvrun.command._run_folder import existing
from cvrun.command._thumbnails import thumbnails
from cvrun.errors import ConfigError, printable
from cvrun.folder import RunFolder, now
from cvrun.logger._records import read_records
from cvrun.report.checklist_items import GUIDELINES
from cvrun.report.checklist_shown import checklist_section
from cvrun.report.page import require_replaceable, write_page
from cvrun.report.run_page import run_page


def run(arguments: list[str]) -> int:
    """Write the page, and print where it is; give the exit code."""
    parser = parser_of("report", __doc__)
    parser.add_argument("run", type=Path, help="the run's folder, or one with runs below it")
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: report.html in the folder")
    parser.add_argument("--force", action="store_true", help="replace FILE also where it is no page of cvrun report")
    parser.add_argument("--no-images", action="store_true", help="leave the pictures of validation images out")
    by = "validation images by a column of the data as well; may be given again"
    parser.add_argument("--by", action="append", default=[], metavar="COLUMN", help=by)
    parser.add_argument("--format", choices=("html", "md", "json"), help="md and json are printed; default: html")
    about = "what the run knows of CLAIM or TRIPOD+AI, as md unless --format says html or json"
    parser.add_argument("--checklist", choices=tuple(GUIDELINES), help=about)
    given = parser.parse_args(arguments)
    form = given.format or ("md" if given.checklist else "html")
    if given.by and (holds_runs(given.run) or (given.checklist and form != "html")):
        raise ConfigError(f"--by {given.by[0]}: expected the report of one run, not of a folder or a checklist alone")
    if given.checklist and form != "html":
        return give(checklist_of(given.run, given.checklist, form, given.output), given.output, given.force)
    if form != "html":
        return give(other_format(given.run, form, given.by), given.output, given.force)
    path: Path = given.output or given.run / "report.html"
    folder = None if holds_runs(given.run) and not given.checklist else existing(given.run)
    require_replaceable(path, given.force)
    if folder is None:
        page = folder_page(given.run, path.parent)
    else:
        page = page_of(folder, Shown(not given.no_images, tuple(given.by), given.checklist), path)
    write_page(path, page, given.force)
    show(f"{printable(os.fspath(path))}\n", kept=path)
    return 0


@dataclass(frozen=True)
class Shown:
    """What a page is to have.

    Attributes:
        pictures: Whether to open validation images, for small pictures of those that the model is wrong about.
        by: Columns of the data by which they are shown.
        guideline: Whose checklist is its last section, if any.
    """

    pictures: bool
    by: tuple[str, ...] = ()
    guideline: str | None = None


def page_of(folder: RunFolder, wanted: Shown, path: Path) -> str:
    """Give the page about a run.

    Args:
        folder: Of the run.
        wanted: What it is to have.
        path: Where the page will lie, for links.

    Raises:
        CheckpointError: If its predictions are damaged.
        ConfigError: If there is no such column.
    """
    # Listed once, and not at all where nothing needs it.
    data = functools.cache(lambda: own_data(folder))

    def found(ids: Sequence[str]) -> tuple[dict[str, bytes], str]:
        if not wanted.pictures:
            return {}, "--no-images leaves them out"
        selection, why = data()
        return ({}, why) if selection is None else thumbnails(selection, ids)

    looked = looked_at(folder.predictions / "val.npz", found)
    rows = read_records(folder.records) if folder.records.is_file() else []
    record = record_of(folder, rows, looked)
    record = with_looked(record, folder, data, wanted.by)
    place = seen_from(folder.path, path.parent)
    more = [checklist_section(record, wanted.guideline, place)] if wanted.guideline else []
    return run_page(record, f"Made by cvrun report {__version__} at {now()}.", more)

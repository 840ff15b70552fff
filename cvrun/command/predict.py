"""Predict images or folders of them: `cvrun predict RUN PATH... --output FILE.csv`."""

from __future__ import annotations

import argparse
import functools
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from cvrun.cells import reasons_table
from cvrun.command._arguments import parser_of
from cvrun.command._output import show
from cvrun.command._predict_formats import FORMATS, SUFFIXES, Sink, Wanted, writer
from cvrun.command._predicted import Row, predicted
from cvrun.command._predictor import Predictor, predictor
from cvrun.data import IMAGE_SUFFIXES
from cvrun.decision import NAME as DECISION
from cvrun.errors import ConfigError, DataError, did_you_mean, printable
from cvrun.folder import storage_errors, sync_folder, write_atomic
from cvrun.keys import RESUME_KEYS
from cvrun.pipeline.decode import ImageError
from cvrun.pipeline.unreadable import NAMED
from cvrun.warned import Warned, hearing


def run(arguments: list[str]) -> int:
    """Write path, label, score and one probability a class for each image; give the exit code.

    Raises:
        DataError: If a file cannot be used; after everything else has been written.
    """
    given = _parser().parse_args(arguments)
    output: Path | None = given.output
    kind = _format(given)
    errors = None if output is None else output.with_name(f"{output.name}.errors.csv")
    for path in (output, errors):
        if path is not None and os.path.lexists(path) and not given.force:
            raise ConfigError(f"--output {output}: {path.name} exists, expected a new file", "--force replaces it")
    with hearing() as warned:
        found = predictor(given, warned)
        wanted = _wanted(given, found)
        paths = image_files(given.paths)
        chunks = _unwarned(predicted(paths, found.models, found.merge, found.decision), warned)
        if output is None:
            bad = _write(kind, wanted, Standard(), chunks)
        else:
            with replacing(output) as file:
                bad = _write(kind, wanted, file, chunks)
            _list_errors(output.with_name(f"{output.name}.errors.csv"), bad)
    if output is not None:
        count = f"{len(paths) - len(bad):,} images"
        show(f"{printable(f'{output}: {count}, {found.name}')}\n", kept=output)
    if bad:
        raise _unusable(bad, len(paths), output)
    return 0


def image_files(paths: Sequence[Path]) -> list[Path]:
    """Give the files at paths, and below those that are folders, in order and each once.

    Raises:
        DataError: If a path does not exist, or there is no image.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            below = (entry for entry in sorted(path.rglob("*")) if entry.suffix.lower() in IMAGE_SUFFIXES)
            found.update(dict.fromkeys(entry for entry in below if entry.is_file()))
        elif path.exists():
            found[path] = None
        else:
            raise DataError(f"{path}: no such file or folder, expected images")
    if not found:
        raise DataError(f"{' '.join(str(path) for path in paths)}: no images found, expected at least one")
    # Several paths may lead to one file; a link beside it is another image, as it has another name.
    place = functools.cache(os.path.realpath)
    once: dict[tuple[str, str], Path] = {}
    for path in found:
        once.setdefault((place(path.parent), path.name), path)
    return list(once.values())


class Standard:
    """Standard output, as a place that bytes go to."""

    def write(self, content: bytes) -> None:
        """Show bytes.

        Raises:
            StorageError: If they cannot be written.
        """
        show(content)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Give a file that takes the name path once everything has been written, and is gone where that fails.

    Raises:
        StorageError: If it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def _parser() -> argparse.ArgumentParser:
    about = f"{__doc__} A file that cannot be used does not end it: the others are written, it is listed, exit code 3."
    parser = parser_of("predict", about)
    parser.add_argument("run", type=Path, help="a run's folder, or that of an ensemble")
    parser.add_argument("paths", type=Path, nargs="+", metavar="PATH", help="images, or folders of images")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where to write; default: standard output")
    parser.add_argument("--force", action="store_true", help="replace the output file")
    parser.add_argument("--format", choices=FORMATS, help="default: by the suffix of --output, csv without one")
    parser.add_argument("--json", action="store_true", help="the same as --format json: one JSON document")
    parser.add_argument("--top", type=int, default=0, metavar="K", help="columns of the K most probable classes")
    probabilities = argparse.BooleanOptionalAction
    parser.add_argument("--probabilities", action=probabilities, default=True, help="a column a class; default: yes")
    how = f"labels by the run's {DECISION}, where it has one; an ensemble has none; default: yes"
    parser.add_argument("--decision", action=argparse.BooleanOptionalAction, default=True, help=how)
    parser.add_argument("--checkpoint", choices=("best", "last"), default="best", help="default: best")
    parser.add_argument("--tta", metavar="CHOICE", help="test-time augmentation instead of the run's own")
    keys = ", ".join(key for key in RESUME_KEYS if key != "data.root")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=f"one of {keys}")
    return parser


def _format(given: argparse.Namespace) -> str:
    """Give one of FORMATS.

    Raises:
        ConfigError: If the suffix names none, options contradict each other, or the format needs a file.
    """
    if given.json and given.format not in (None, "json"):
        raise ConfigError(f"--json: --format {given.format} says otherwise, expected one of them")
    kind: str | None = "json" if given.json else given.format
    if kind is None and given.output is not None:
        suffix = given.output.suffix.lower()
        if suffix not in SUFFIXES:
            message = f"--output {given.output}: expected a suffix of {', '.join(SUFFIXES)}"
            raise ConfigError(message, did_you_mean(suffix, SUFFIXES) or "or --format with another suffix")
        kind = SUFFIXES[suffix]
    if kind == "parquet" and given.output is None:
        raise ConfigError("--format parquet: cannot go to standard output, expected --output FILE")
    return kind or "csv"


def _wanted(given: argparse.Namespace, found: Predictor) -> Wanted:
    classes, separator = found.classes, found.separator
    if not 0 <= given.top <= len(classes):
        raise ConfigError(f"--top {given.top}: expected 0 to {len(classes)}, the number of classes")
    return Wanted(classes, given.top, given.probabilities or separator != "", separator)


def _unwarned(chunks: Iterable[list[Row]], warned: Warned) -> Iterator[list[Row]]:
    """Give chunks; raise ConfigError before the first after a warning, where that is to end the command."""
    for rows in chunks:
        warned.require_none()
        yield rows


def _write(kind: str, wanted: Wanted, sink: Sink, chunks: Iterable[list[Row]]) -> list[Row]:
    """Write every row; give those of files that cannot be used."""
    bad: list[Row] = []
    content = writer(kind, wanted, sink)
    for number, rows in enumerate(chunks):
        if number == 0:
            # Not before: what fails at the first images leaves standard output empty.
            content.start()
        content.add(rows)
        bad += [row for row in rows if row.error is not None]
    content.end()
    return bad


def _list_errors(path: Path, bad: Sequence[Row]) -> None:
    """Write the files that cannot be used beside the output, or remove a list of before, which --force allows."""
    reasons = [(str(row.path), row.error.reason) for row in bad if row.error is not None]
    if reasons:
        write_atomic(path, reasons_table(reasons))
    else:
        path.unlink(missing_ok=True)


def _unusable(bad: Sequence[Row], total: int, output: Path | None) -> DataError:
    also = ", ".join(str(row.path) for row in bad[1:NAMED])
    count = f"{len(bad):,} of {total:,} images cannot be used, the others are written"
    count += f"; {output.name}.errors.csv lists them" if output is not None else ""
    first: ImageError | None = bad[0].error
    return DataError(str(first), f"also {also}; {count}" if also else count)

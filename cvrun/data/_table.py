"""A table of images as text: a CSV file, or a Parquet file, which reads the same."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cvrun.data._arrow import is_plain, texts_or_none
from cvrun.data._root import reason, shown
from cvrun.errors import DataError, did_you_mean

MAX_ROWS = 10_000_000


@dataclass(frozen=True)
class Table:
    """The content of a table.

    Attributes:
        path: The file.
        header: Names of the columns that hold plain values, and every name that several columns have.
        rows: Number and values of each row; the header is row 1, as in a CSV file. Blanks around a value are dropped.
        others: Name -> type of the columns that hold something else, such as images, or what cannot be written as text.
    """

    path: Path
    header: tuple[str, ...]
    rows: Iterable[tuple[int, list[str]]]
    others: Mapping[str, str]

    def find(self, column: str) -> int:
        """Give the position of a column.

        Raises:
            DataError: If there is none of that name, or several.
        """
        if self.header.count(column) == 1:
            return self.header.index(column)
        if column in self.others:
            kind = shown(self.others[column])
            raise DataError(f"{self.path}: column '{column}' holds {kind}, expected text, numbers or truth values")
        if column in self.header:
            raise DataError(f"{self.path} row 1: column '{column}' stands twice, expected one column of that name")
        names = shown(", ".join(self.header))
        raise DataError(
            f"{self.path} row 1: column '{column}' is missing, expected it among: {names}",
            did_you_mean(column, self.header),
        )


def read_table(path: Path) -> Table:
    """Give the content of a table: Parquet if its name ends in .parquet, else comma-separated UTF-8 with a header.

    Empty lines of a CSV file are left out; values of a Parquet file are written as they would stand in a CSV file.

    Raises:
        DataError: If it cannot be read, holds no image, or is Parquet without pyarrow being installed.
    """
    return _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)


def _read_csv(path: Path) -> Table:
    try:
        lines = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = error.object.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path} row {at}: not UTF-8 ({error.reason}), expected a UTF-8 table") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{shown(path)}: cannot be read ({reason(error)}), expected a CSV table") from error
    rows: list[tuple[int, list[str]]] = []
    number = 0
    try:
        for number, row in enumerate(csv.reader(io.StringIO(lines, newline=""), skipinitialspace=True), start=1):
            if row:
                rows.append((number, [value.strip() for value in row]))
            if number > MAX_ROWS:
                raise DataError(f"{path}: more than {MAX_ROWS} rows, expected fewer")
    except csv.Error as error:
        raise DataError(f"{path} row {number + 1}: not a CSV row ({error}), expected comma-separated values") from error
    if len(rows) < 2:
        raise DataError(f"{path}: {len(rows)} rows, expected a header and at least one image")
    return Table(path, tuple(rows[0][1]), rows[1:], {})


def _read_parquet(path: Path) -> Table:
    try:
        import pyarrow.parquet
    except ImportError as error:
        message = f"data.file={path.name}: reading Parquet needs pyarrow, which is not installed"
        raise DataError(message, "pip install 'cvrun[parquet]', or save the table as CSV") from error
    try:
        with path.open("rb") as opened, pyarrow.parquet.ParquetFile(opened) as file:
            count, schema = file.metadata.num_rows, file.schema_arrow
            if count > MAX_ROWS:
                raise DataError(f"{path}: more than {MAX_ROWS} rows, expected fewer")
            if count == 0:
                raise DataError(f"{path}: 0 rows, expected at least one image")
            times = Counter(schema.names)
            # Of columns with one name none can be meant, so none is read.
            kinds = {field.name: field.type for field in schema if times[field.name] == 1}
            content = file.read(columns=[name for name, kind in kinds.items() if is_plain(kind)])
        found = {name: texts_or_none(content.column(name)) for name, kind in kinds.items() if is_plain(kind)}
        values = {name: [text.strip() for text in texts] for name, texts in found.items() if texts is not None}
        others = {name: str(kind) for name, kind in kinds.items() if name not in values}
    except DataError:
        raise
    # pyarrow raises its own errors, and for damaged files nearly any other.
    except Exception as error:
        fact = reason(error).splitlines()[0]
        raise DataError(f"{shown(path)}: cannot be read ({shown(fact)}), expected a Parquet table") from error
    twice = [name for name in schema.names if times[name] > 1]
    # A table without a column that can be read has rows all the same.
    columns = zip(*values.values(), strict=True) if values else [()] * count
    rows = [(number, [*row, *[""] * len(twice)]) for number, row in enumerate(columns, start=2)]
    return Table(path, (*values, *twice), rows, others)

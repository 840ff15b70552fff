"""Images in the rows of Arrow columns: as bytes, or as paths of files in the folder of the data set."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvrun.data._parts import Part


def holds_images(kind: Any) -> bool:
    """Whether the values of an Arrow type are contents of files, or what `datasets` takes for images."""
    import pyarrow.types as types

    if types.is_struct(kind):
        return {kind.field(i).name for i in range(kind.num_fields)} >= {"bytes", "path"}
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


class Rows:
    """The images of the parts, one part behind the other; an `Encoded`."""

    def __init__(self, parts: Sequence[Part]) -> None:
        """Keep the parts; no image is looked at."""
        self._parts = [_Images(part) for part in parts]
        self._ends = list(accumulate(part.count for part in parts))

    def read(self, position: int) -> bytes:
        """Give the content of an image file; from any thread.

        Raises:
            OSError: If there is none, or it lies outside of the data set, or cannot be read.
        """
        images, row = self._at(position)
        return images.read(row)

    def size(self, position: int) -> int:
        """Give the length of that content [bytes]; 0 where there is none."""
        images, row = self._at(position)
        return images.size(row)

    def origin(self, position: int) -> str:
        """Give what the files of the part are, and the row; or the file of the image, with its length and times."""
        images, row = self._at(position)
        return images.origin(row)

    def _at(self, position: int) -> tuple[_Images, int]:
        part = int(np.searchsorted(self._ends, position, side="right"))
        return self._parts[part], position - (self._ends[part - 1] if part else 0)


class _Images:
    """The images of one part, whose column is opened with the first question about one."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._root = os.path.join(os.path.realpath(part.root), "")
        self._lock = threading.Lock()
        self._opened: _Column | None = None

    def read(self, row: int) -> bytes:
        content, path = self._column().value(row)
        return content if content is not None else self._file(row, path).read_bytes()

    def size(self, row: int) -> int:
        column = self._column()
        length = int(column.lengths[row])
        if length >= 0:
            return length
        try:
            return self._file(row, column.value(row)[1]).stat().st_size
        except OSError:
            # Who reads the image says what is wrong with it.
            return 0

    def origin(self, row: int) -> str:
        column = self._column()
        if column.lengths[row] >= 0:
            return f"{self._part.stamp} {self._part.name} {row}"
        try:
            path = self._file(row, column.value(row)[1])
            status = path.stat()
        except OSError as error:
            return f"{self._part.stamp} {self._part.name} {row} {error}"
        return f"{path} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"

    def _column(self) -> _Column:
        with self._lock:
            if self._opened is None:
                self._opened = _Column(self._part.images())
            return self._opened

    def _file(self, row: int, path: str | None) -> Path:
        if not path:
            raise FileNotFoundError(f"{self._part.name} row {row}: no image")
        whole = os.path.join(self._root, path)
        if "://" in path or not os.path.realpath(whole).startswith(self._root):
            raise PermissionError(f"{self._part.name} row {row}: its image lies outside of the data set")
        return Path(whole)


class _Column:
    """A column of images; lengths: of each content [bytes], -1 where there is none, int64 (N,)."""

    def __init__(self, chunked: Any) -> None:
        import pyarrow.compute as compute
        import pyarrow.types as types

        self._chunks = chunked.chunks
        self._ends = np.cumsum([len(chunk) for chunk in self._chunks])
        contents = compute.struct_field(chunked, "bytes") if types.is_struct(chunked.type) else chunked
        found = compute.fill_null(compute.binary_length(contents), -1).to_numpy()
        self.lengths: NDArray[np.int64] = found.astype(np.int64)

    def value(self, row: int) -> tuple[bytes | None, str | None]:
        """Give the content and the path of a row."""
        chunk = int(np.searchsorted(self._ends, row, side="right"))
        value = self._chunks[chunk][row - (int(self._ends[chunk - 1]) if chunk else 0)].as_py()
        return (value["bytes"], value["path"]) if isinstance(value, dict) else (value, None)

"""The splits of a Hugging Face data set: columns are read at once, images wait until they are asked for."""

from __future__ import annotations

import glob
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cvrun.data._arrow import is_plain
from cvrun.data._hub import home, kind_of, no_split, offline
from cvrun.data._root import reason, shown
from cvrun.errors import DataError


@dataclass(frozen=True)
class Part:
    """One split.

    Attributes:
        name: Such as "train".
        root: The folder of the data set, in which files of images have to lie.
        count: Number of images.
        kinds: Name -> Arrow type of every column that has a name of its own.
        plain: Name -> values, a pyarrow ChunkedArray, of the columns with plain values.
        features: Name -> what `datasets` knows of a column, such as its class names.
        images: Gives the column of images, a pyarrow ChunkedArray.
        stamp: Changes where the files do in which the images lie.
    """

    name: str
    root: Path
    count: int
    kinds: Mapping[str, Any]
    plain: Mapping[str, Any]
    features: Mapping[str, Any]
    images: Callable[[], Any]
    stamp: str


def is_saved(root: Path) -> bool:
    """Whether a folder was written by `save_to_disk` of `datasets`."""
    return any((root / name).is_file() for name in ("dataset_dict.json", "state.json"))


def open_saved(root: Path, splits: Sequence[str], image_column: str) -> list[Part]:
    """Give splits of a folder that `save_to_disk` wrote; one without splits is all train.

    Raises:
        DataError: If it cannot be read, or there is no such split.
    """
    import datasets

    with _readable(root), offline():
        if (root / "state.json").is_file():
            folders = {"train": root}
        else:
            names = json.loads((root / "dataset_dict.json").read_text(encoding="utf-8"))["splits"]
            folders = {str(name): root / str(name) for name in names if "/" not in str(name)}
        for split in splits:
            if split not in folders:
                raise no_split(f"data.root={shown(root)}", split, folders)
        return [
            _of_dataset(root, split, datasets.Dataset.load_from_disk(str(folders[split])), image_column)
            for split in splits
        ]


def open_folder(root: Path, config_name: str | None, splits: Sequence[str], image_column: str) -> list[Part]:
    """Give splits of a folder of Parquet files, or of images with or without a table metadata.csv, as `datasets` does.

    Raises:
        DataError: If it cannot be read, holds something else, or there is no such split.
    """
    import datasets
    from datasets.packaged_modules.imagefolder.imagefolder import ImageFolder
    from datasets.packaged_modules.parquet.parquet import Parquet

    where = f"data.root={shown(root)}"
    with _readable(root), offline():
        builder = datasets.load_dataset_builder(str(root.absolute()), config_name, cache_dir=str(home() / "arrow"))
        files = {str(split): [str(file) for file in found] for split, found in builder.config.data_files.items()}
        for split in splits:
            if split not in files:
                raise no_split(where, split, files)
        others = [file for split in splits for file in files[split] if "://" in file or file.endswith(".zip")]
        if others:
            raise DataError(f"{where}: {shown(others[0])}, expected files in the folder, unpacked")
        if isinstance(builder, Parquet):
            return open_parquet(root, {split: files[split] for split in splits}, builder.info.features, image_column)
        if not isinstance(builder, ImageFolder):
            kind = kind_of(builder)
            hint = "set data=webdataset" if kind == "webdataset" else "load it with datasets and save_to_disk"
            raise DataError(f"{where}: holds {kind} files, expected Parquet, images, or what save_to_disk writes", hint)
        builder.download_and_prepare()
        return [_of_dataset(root, split, builder.as_dataset(split=split), image_column) for split in splits]


def open_parquet(root: Path, files: Mapping[str, Sequence[str]], features: Any, image_column: str) -> list[Part]:
    """Give splits of Parquet files; the images of a split are copied into the cache folder when the first is asked for.

    Args:
        root: The folder of the data set.
        files: Name of a split -> its files; relative ones lie in root.
        features: What is known of the columns where the files do not say it, or None.
        image_column: The column of images.

    Raises:
        DataError: If a file cannot be read.
    """
    import datasets
    import pyarrow
    import pyarrow.parquet

    parts = []
    for split, names in files.items():
        paths = [root.absolute() / name for name in names]
        tables = []
        with _readable(root):
            for path in paths:
                with path.open("rb") as opened, pyarrow.parquet.ParquetFile(opened) as file:
                    schema = file.schema_arrow
                    # Of columns with one name none can be meant.
                    fields = [field for field in schema if schema.names.count(field.name) == 1]
                    tables.append(file.read(columns=[field.name for field in fields if is_plain(field.type)]))
            table = pyarrow.concat_tables(tables, promote_options="permissive")
            own = datasets.Features.from_arrow_schema(schema) if b"huggingface" in (schema.metadata or {}) else features
            stamp = _stamp(paths)
            parts.append(
                Part(
                    split,
                    root,
                    table.num_rows,
                    {field.name: field.type for field in fields},
                    {name: table.column(name) for name in table.column_names},
                    own or {},
                    _Converted(root, split, paths, image_column, stamp),
                    stamp,
                )
            )
    return parts


class _Converted:
    """The column of images of Parquet files, in an Arrow file in the cache folder, in which any row can be reached."""

    def __init__(self, root: Path, split: str, paths: Sequence[Path], column: str, stamp: str) -> None:
        self._root, self._split, self._paths, self._column, self._stamp = root, split, paths, column, stamp

    def __call__(self) -> Any:
        import datasets

        with _readable(self._root), offline():
            dataset = datasets.load_dataset(
                "parquet",
                data_files={self._split: [glob.escape(str(path)) for path in self._paths]},
                split=self._split,
                columns=[self._column],
                # By itself `datasets` takes a file with another content but the same time of change for the same.
                cache_dir=str(home() / "arrow" / self._stamp[:16]),
            )
        return dataset.data.column(self._column)


def _of_dataset(root: Path, split: str, dataset: Any, image_column: str) -> Part:
    table = dataset.data
    schema = table.schema
    return Part(
        split,
        root,
        dataset.num_rows,
        {field.name: field.type for field in schema},
        {field.name: table.column(field.name) for field in schema if is_plain(field.type)},
        dataset.features,
        lambda: table.column(image_column),
        _stamp([Path(file["filename"]) for file in dataset.cache_files]),
    )


def _stamp(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        status = path.stat()
        digest.update(
            f"{path} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}\n".encode(errors="surrogateescape")
        )
    return digest.hexdigest()


class _readable:
    """What goes wrong within becomes a DataError: `datasets` and pyarrow raise nearly anything."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, DataError):
            fact = shown((reason(error).strip() or type(error).__name__).splitlines()[0])
            message = f"data.root={shown(self._root)}: cannot be read ({fact}), expected Parquet, images, or what "
            raise DataError(f"{message}save_to_disk of datasets writes") from error

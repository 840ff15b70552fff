"""Data sets of the Hugging Face hub in the cache folder: fetched on request alone, or within seconds a line why not."""

from __future__ import annotations

import glob
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from cvrun.cache import cache_folder
from cvrun.data._root import CONTROL, reason, shown
from cvrun.errors import DataError, did_you_mean
from cvrun.folder import write_atomic
from cvrun.patience import within

PATIENCE = 4.0
"""Time within which the hub must answer the first request [s]."""


@dataclass(frozen=True)
class Snapshot:
    """Parquet files of a data set, as they were at one commit.

    Attributes:
        folder: Where they lie.
        files: Name of a split -> its files, relative to the folder.
        features: What the data set says about its columns, as `datasets.Features.to_dict` gives it; or None.
    """

    folder: Path
    files: Mapping[str, Sequence[str]]
    features: dict[str, Any] | None


def home() -> Path:
    """Give the folder for data sets of the hub, and for what `datasets` makes of files."""
    return cache_folder() / "huggingface"


@contextmanager
def offline() -> Iterator[None]:
    """Let neither `datasets` nor huggingface_hub ask a server, not even to count a use, and draw bars for people only.

    Both read the variable HF_HUB_OFFLINE once, when they are imported.
    """
    import datasets
    from huggingface_hub import constants

    before = (datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE)
    datasets.config.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE = True
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE = before


def snapshot(
    name: str, config_name: str | None, revision: str | None, splits: Sequence[str], download: bool
) -> Snapshot:
    """Give the files of splits, from the cache folder if they are there; the commit of the first fetch stays.

    Args:
        name: "owner/name".
        config_name: One of several variants of the data set; None: its default.
        revision: Branch, tag or commit; None: the main branch.
        splits: Names of the splits that are needed.
        download: Whether what is missing may be fetched.

    Raises:
        DataError: If it is not there and may or can not be fetched, or holds no such split or other files than Parquet.
    """
    key = hashlib.sha256(repr((name, config_name, revision)).encode()).hexdigest()[:16]
    record = home() / f"{key}.json"
    known = _load(record)
    if known is not None and _is_whole(known, splits):
        return _snapshot(known)
    where = f"data.name={shown(name)}"
    if not download:
        what = "is not whole" if known is not None else "is not"
        raise DataError(f"{where}: {what} in the cache folder {home()}", "set data.download=true to fetch it")
    known = _fetch(where, name, config_name, known["commit"] if known is not None else revision, splits)
    _save(record, known)
    return _snapshot(known)


def _fetch(
    where: str, name: str, config_name: str | None, revision: str | None, splits: Sequence[str]
) -> dict[str, Any]:
    import huggingface_hub as hub

    answers: list[Any] = []
    failure = within(
        PATIENCE + 1, lambda: answers.append(hub.HfApi().dataset_info(name, revision=revision, timeout=PATIENCE))
    )
    if failure is not None:
        raise _unreachable(where, failure) from failure
    commit = str(answers[0].sha)
    folder = home() / hashlib.sha256(name.encode()).hexdigest()[:16] / commit
    try:
        files, features = _resolve(where, name, config_name, commit)
        wanted = {split: files[split] for split in splits if split in files}
        missing = [split for split in splits if split not in files]
        if missing:
            raise no_split(where, missing[0], files)
        patterns = [glob.escape(file) for names in wanted.values() for file in names]
        hub.snapshot_download(name, repo_type="dataset", revision=commit, local_dir=folder, allow_patterns=patterns)
        sizes = {file: (folder / file).stat().st_size for names in wanted.values() for file in names}
    except DataError:
        raise
    # The hub, its transfer and datasets have an error each for all that can go wrong on the way.
    except Exception as error:
        raise _unreachable(where, error) from error
    return {
        "name": name,
        "commit": commit,
        "folder": str(folder),
        "files": wanted,
        "sizes": sizes,
        "features": features,
    }


def _resolve(
    where: str, name: str, config_name: str | None, commit: str
) -> tuple[dict[str, list[str]], dict[str, Any] | None]:
    """Give the files of each split, and the features, as the data set's card and its file names say."""
    import datasets
    from datasets.packaged_modules.parquet.parquet import Parquet

    builder = datasets.load_dataset_builder(
        f"hf://datasets/{name}", config_name, revision=commit, cache_dir=str(home() / "arrow")
    )
    if not isinstance(builder, Parquet):
        raise DataError(
            f"{where}: holds {kind_of(builder)} files, expected Parquet",
            "set data.revision=refs/convert/parquet, where the hub keeps what it has converted",
        )
    found: dict[str, list[str]] = {}
    for split, addresses in builder.config.data_files.items():
        names = [address.partition(f"@{commit}/")[2] for address in addresses]
        for file in names:
            if (
                not file
                or ".." in PurePosixPath(file).parts
                or PurePosixPath(file).is_absolute()
                or CONTROL.search(file)
            ):
                raise DataError(f"{where}: a file '{shown(file)}', expected files of its repository")
        found[str(split)] = names
    return found, None if builder.info.features is None else builder.info.features.to_dict()


def kind_of(builder: Any) -> str:
    """Give the format that a builder of `datasets` reads, such as "csv"."""
    return type(builder).__module__.removeprefix("datasets.packaged_modules.").partition(".")[0]


def no_split(where: str, split: str, known: Mapping[str, object]) -> DataError:
    """Give the error for a split that is not there."""
    names = shown(", ".join(known))
    return DataError(f"{where}: no split '{shown(split)}', expected one of {names}", did_you_mean(split, known))


def _unreachable(where: str, error: Exception) -> DataError:
    fact = shown((reason(error).strip() or type(error).__name__).splitlines()[0])
    return DataError(
        f"{where}: neither in the cache folder {home()} nor from the hub ({fact})",
        "check the name and the network, or give a folder with data.root",
    )


def _is_whole(known: dict[str, Any], splits: Sequence[str]) -> bool:
    """Whether the files of splits lie there, each as long as it was when it was fetched."""
    if not set(splits) <= set(known["files"]):
        return False
    for split in splits:
        for file in known["files"][split]:
            path = Path(known["folder"], file)
            if not path.is_file() or path.stat().st_size != known["sizes"][file]:
                return False
    return True


def _snapshot(known: dict[str, Any]) -> Snapshot:
    return Snapshot(Path(known["folder"]), known["files"], known["features"])


def _load(record: Path) -> dict[str, Any] | None:
    try:
        known = json.loads(record.read_text(encoding="utf-8"))
        return known if {"commit", "folder", "files", "sizes", "features"} <= set(known) else None
    except (OSError, ValueError, TypeError):
        return None


def _save(record: Path, known: dict[str, Any]) -> None:
    write_atomic(record, json.dumps(known).encode())

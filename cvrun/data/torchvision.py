"""Public image sets that torchvision knows, such as CIFAR10, MNIST and OxfordIIITPet; downloaded on request only."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvrun.cache import cache_folder
from cvrun.data import ImageForm, Manifest
from cvrun.data._root import reason, root_folder, shown, some
from cvrun.data._torchvision_sets import SOURCES, Source
from cvrun.errors import DataError, one_of
from cvrun.physical import Pixels

TIMEOUT = 10.0
"""[s] without an answer after which a download has failed."""


@dataclass(frozen=True)
class Config:
    """The keys of data=torchvision."""

    name: str
    root: str | None
    download: bool
    size: Pixels
    channels: int
    fit: str

    def __post_init__(self) -> None:
        """Check the ranges."""
        ImageForm(self.size, self.channels, self.fit)
        one_of("name", self.name, SOURCES)


def build(config: Config) -> Manifest:
    """Give all parts of the set, with the official split that it defines.

    Ids are paths relative to the root for images in files, else part/number. Files are listed, not opened.

    Raises:
        DataError: If the set is missing or damaged, or a download failed.
    """
    root = _root(config)
    source = SOURCES[config.name]
    opened = {part: _open(config, root, arguments) for part, arguments in source.parts.items()}
    labels = {part: _labels(dataset, source) for part, dataset in opened.items()}
    together = np.concatenate(list(labels.values()))
    images, paths = None, None
    if source.images:
        images = np.concatenate([_embedded(dataset, source) for dataset in opened.values()])
        ids = tuple(f"{part}/{i:06d}" for part, values in labels.items() for i in range(len(values)))
    else:
        paths = tuple(path for dataset in opened.values() for path in _paths(dataset, source))
        _require_files(config, root, paths)
        ids = tuple(path.relative_to(root).as_posix() for path in paths)
    return Manifest(
        ids=ids,
        labels=together,
        classes=_classes(config, opened, int(together.max(initial=-1)) + 1),
        form=ImageForm(config.size, config.channels, config.fit),
        images=images,
        paths=paths,
        official=None if "" in opened else tuple(part for part, values in labels.items() for _ in values),
    )


def _root(config: Config) -> Path:
    if config.root is not None:
        return root_folder(config.root)
    return cache_folder() / "torchvision"


def _open(config: Config, root: Path, arguments: Any) -> Any:
    """Give torchvision's dataset object of one part."""
    import torchvision.datasets

    make = getattr(torchvision.datasets, config.name)
    try:
        if not config.download:
            return make(root=str(root), **arguments)
        with _timeout(TIMEOUT):
            return make(root=str(root), **arguments, download=True)
    except MemoryError:
        raise
    # torchvision, its unpacking and its parsers raise whatever comes up.
    except Exception as error:
        what = "could not be downloaded or read" if config.download else "is missing or damaged"
        fact = reason(error).partition(" You can use download")[0].rstrip(".")
        hint = "" if config.download else "set data.download=true to fetch it"
        raise DataError(f"data.name={config.name}: {what} in {shown(root)} ({fact})", hint) from error


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    """Give new sockets a time limit: torchvision opens them without one."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _labels(dataset: Any, source: Source) -> NDArray[np.int64]:
    if source.labels:
        return np.asarray(getattr(dataset, source.labels), dtype=np.int64)
    return np.array([label for _, label in getattr(dataset, source.samples)], dtype=np.int64)


def _embedded(dataset: Any, source: Source) -> NDArray[np.uint8]:
    """Give the embedded images as uint8 (N, H, W, C)."""
    images: NDArray[np.uint8] = np.asarray(getattr(dataset, source.images))
    if source.layout == "chw":
        return images.transpose(0, 2, 3, 1)
    return images[..., None] if source.layout == "hw" else images


def _paths(dataset: Any, source: Source) -> list[Path]:
    samples = getattr(dataset, source.samples)
    return [Path(entry if source.labels else entry[0]) for entry in samples]


def _require_files(config: Config, root: Path, paths: Sequence[Path]) -> None:
    """Raise DataError unless all files exist: torchvision takes an interrupted extraction for a whole one."""
    missing = [path for path in paths if not os.path.isfile(path)]
    if missing:
        raise DataError(
            f"data.name={config.name}: {some(missing)}: missing ({len(missing)} of {len(paths)} images)",
            f"delete the folder of this set in {root} and set data.download=true",
        )


def _classes(config: Config, opened: dict[str, Any], num: int) -> tuple[str, ...]:
    """Give the class names that all parts agree on; numbers for a set that has none."""
    found = {part: _names(dataset) for part, dataset in opened.items()}
    first = next(iter(found.values()))
    for part, names in found.items():
        if names != first:
            raise DataError(f"data.name={config.name}: {part} has other classes than the first part, expected the same")
    return first or tuple(str(i) for i in range(num))


def _names(dataset: Any) -> tuple[str, ...]:
    # Imagenette gives several words for a class.
    return tuple(name if isinstance(name, str) else name[0] for name in getattr(dataset, "classes", ()))

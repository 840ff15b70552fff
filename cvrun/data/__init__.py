"""Sources of images: each gives a Manifest, the list of what there is; nothing is decoded here.

Contract of an option module: a flat frozen dataclass `Config` and `build(config: Config) -> Manifest`.
To add a source, write `cvrun/data/NAME.py` and `configs/data/NAME.yaml` (with `option: NAME`).
A source never writes below its root and never opens an image: it lists, reads labels and decides the class order,
once, so that a class index means the same in every split, checkpoint and prediction file.
Of files that hold many images, tables and tar shards, it reads names, labels and what else is said about the images,
never an image; `Encoded` reads one when a part of the pipeline asks for it.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cvrun.data._sets import LabelSets
from cvrun.errors import ConfigError, DataError, did_you_mean, one_of, require

FITS = ("stretch", "crop", "pad")
SPLITS = ("train", "val", "test")
SPLIT_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""What folders and columns call the parts of an official split -> the part."""

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".npy"})
"""Lower-case suffixes of the files that are taken for images; cvrun/pipeline/decode.py reads each of these formats."""

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")


@dataclass(frozen=True)
class ImageForm:
    """The form into which every image of a set is brought.

    Attributes:
        size: Height and width [pixels].
        channels: 1 (grey), 3 (RGB), or as many as every image has.
        fit: How an image of another shape becomes size: "stretch" ignores the aspect ratio, "crop" scales the
            shorter side and cuts the centre, "pad" scales the longer side and adds black borders.
        value_range: Lowest and highest value of the images, which become 0 and 255; None: 0 and the highest value of
            8 or 16 bits.
    """

    size: int
    channels: int
    fit: str
    value_range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        require(self.size >= 1, "size", self.size, "size >= 1 [pixels]")
        require(self.channels >= 1, "channels", self.channels, "1 (grey), 3 (RGB), or as many as the images have")
        one_of("fit", self.fit, FITS)

    def __repr__(self) -> str:
        """Give it as text that names decoded images and data: without a range as before there were any."""
        limits = "" if self.value_range is None else f", value_range={self.value_range!r}"
        return f"ImageForm(size={self.size!r}, channels={self.channels!r}, fit={self.fit!r}{limits})"

    def saved(self) -> list[Any]:
        """Give it as plain values for a checkpoint: size, channels, fit, and the range where there is one."""
        return [self.size, self.channels, self.fit, *(self.value_range or ())]

    @classmethod
    def of_saved(cls, values: Sequence[Any]) -> ImageForm:
        """Give what saved() described."""
        size, channels, fit, *limits = values
        return cls(size, channels, fit, (limits[0], limits[1]) if limits else None)


class Encoded(Protocol):
    """Image files that lie inside others: members of a tar shard, cells of a table."""

    def read(self, position: int) -> bytes:
        """Give the content of an image file; from any thread.

        Raises:
            OSError: If it cannot be read.
        """

    def size(self, position: int) -> int:
        """Give the length of that content [bytes] without reading it."""

    def origin(self, position: int) -> str:
        """Give what changes where the content does, such as the shard's path, size and times; nothing is read."""


@dataclass(frozen=True)
class Manifest:
    """What a data set holds: one entry an image, in a fixed order.

    Attributes:
        ids: Unique and stable name of each image: the POSIX path relative to the root, or a number as text.
        labels: Class index of each image, int64 (N,), in [0, K).
        classes: Class names; the position is the index.
        form: What the images are brought into.
        images: Embedded images, uint8 (N, H, W, C), or None when they lie in files.
        paths: File of each image, or None when the images are embedded.
        groups: Group of each image (patient, slide), or None; a group never lies on two sides of a split.
        official: "train", "val", "test" or "" for each image, or None when the source names no split.
        hashes: sha256 of each file, lower-case hex, which is checked when the file is read; or None.
        encoded: Where the images lie inside other files, instead of images or paths.
        columns: Name -> a text for each image: what else the source knows, such as site or scanner.
        weights: How much each image counts, float64 (N,), > 0, for a sampler that draws by it; or None.
        strata: What a split keeps the shares of, int64 (N,); None: the labels.
        synthetic: Which images may only be trained on, bool (N,); or None.
        sets: What the classes are sets of, where an image may have any number of labels; or None.
        named: Whether ids may be shown; where not, ids and groups are hashes, and messages name no file.
    """

    ids: tuple[str, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    form: ImageForm
    images: NDArray[np.uint8] | None = None
    paths: tuple[Path, ...] | None = None
    groups: tuple[str, ...] | None = None
    official: tuple[str, ...] | None = None
    hashes: tuple[str, ...] | None = None
    encoded: Encoded | None = None
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    weights: NDArray[np.float64] | None = None
    strata: NDArray[np.int64] | None = None
    synthetic: NDArray[np.bool_] | None = None
    sets: LabelSets | None = None
    named: bool = True

    def __post_init__(self) -> None:
        """Check what every source promises.

        Raises:
            DataError: If there is no image, an id stands twice, or a label is out of range.
        """
        count = len(self.ids)
        if count == 0:
            raise DataError("data: no images found, expected at least one")
        if sum(kind is not None for kind in (self.images, self.paths, self.encoded)) != 1:
            raise ValueError("a Manifest has either images, paths or encoded")
        fields = (self.labels, self.images, self.paths, self.groups, self.official, self.hashes, self.weights)
        for entries in (*fields, self.strata, self.synthetic, *self.columns.values()):
            if entries is not None and len(entries) != count:
                raise ValueError(f"a Manifest of {count} ids got a field with {len(entries)} entries")
        twice = [name for name, times in Counter(self.ids).items() if times > 1]
        if twice:
            raise DataError(f"data: {twice[0]} is listed twice ({len(twice)} such), expected each image once")
        wrong = np.flatnonzero((self.labels < 0) | (self.labels >= len(self.classes)))
        if len(wrong):
            row = int(wrong[0])
            last = len(self.classes) - 1
            raise DataError(
                f"data: {self.ids[row]} (row {row + 1}): label {self.labels[row]}, expected 0 to {last}",
                f"{len(wrong)} such rows",
            )

    def __len__(self) -> int:
        """Give the number of images."""
        return len(self.ids)

    def where(self, position: int) -> str:
        """Give the file of an image, or its name where it is embedded, for a message."""
        if self.paths is not None and self.named:
            return str(self.paths[position])
        return f"image {self.ids[position]}"

    def counts(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the number of images a class among indices, int64 (K,)."""
        return np.bincount(self.labels[indices], minlength=len(self.classes)).astype(np.int64)

    def fingerprint(self, indices: NDArray[np.int64]) -> str:
        """Give a sha256 (hex) of the entries at indices, in their order.

        It covers the class names, the image form and, for each entry, id, label, group, weight and content: the bytes
        of an embedded image; the length of a file or of its content in another one, and the hash that it must have.
        Files are not opened and entries elsewhere are not looked at. Strata and what is synthetic decide about the
        split alone, which has an identity of its own.

        Raises:
            DataError: If a file is missing.
        """
        own = () if self.sets is None else (self.sets.names,)
        digest = hashlib.sha256(repr((self.classes, self.form, *own)).encode())
        for i in indices.tolist():
            group = self.groups[i] if self.groups is not None else ""
            size = self.num_bytes(i)
            digest.update(repr((self.ids[i], int(self.labels[i]), group, size)).encode())
            if self.hashes is not None:
                digest.update(self.hashes[i].encode())
            if self.weights is not None:
                digest.update(repr(float(self.weights[i])).encode())
        if self.images is not None:
            digest.update(np.ascontiguousarray(self.images[indices]).tobytes())
        return digest.hexdigest()

    def num_bytes(self, position: int) -> int:
        """Give the length of an image's file [bytes], without reading it; 0 where the images are embedded.

        Raises:
            DataError: If it is missing.
        """
        if self.encoded is not None:
            return self.encoded.size(position)
        if self.paths is None:
            return 0
        try:
            return self.paths[position].stat().st_size
        except OSError as error:
            fact = f"cannot be read ({error.strerror or error})"
            raise DataError(f"{self.where(position)}: {fact}, expected an image file") from error


def class_order(found: Iterable[str], wanted: Iterable[str] | None, where: str) -> tuple[str, ...]:
    """Give the class names in their fixed order: as wanted, else sorted (by value when all are whole numbers).

    Args:
        found: Names that occur in the data.
        wanted: An explicit list from the configuration, or None.
        where: File or folder, for the message.

    Raises:
        ConfigError: If the explicit list is empty or holds a name twice.
        DataError: If a name occurs that the explicit list does not hold.
    """
    names = sorted(set(found))
    if wanted is None:
        numbers = all(_WHOLE.fullmatch(name) for name in names)
        return tuple(sorted(names, key=int) if numbers else names)
    order = tuple(wanted)
    if not order or len(set(order)) < len(order):
        raise ConfigError(f"data.classes={list(order)}: expected at least one name, each once")
    for name in names:
        if name not in order:
            raise DataError(
                f"{where}: class '{name}', expected one of data.classes ({', '.join(order)})",
                did_you_mean(name, order) or "add it to data.classes or correct the label",
            )
    return order

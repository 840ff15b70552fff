"""Your own images in one folder a class, alone or inside train, val and test folders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cvrun.data import IMAGE_SUFFIXES, SPLIT_NAMES, ImageForm, Manifest, class_order
from cvrun.data._root import CONTROL, reason, root_folder, shown, some
from cvrun.errors import DataError, did_you_mean
from cvrun.physical import Pixels

_EXPECTED = "expected one folder a class with images in it, or train, val and test folders that hold such folders"

EXTRA = "extra"
"""What the ids of the images in the extra folder begin with."""


@dataclass(frozen=True)
class Config:
    """The keys of data=folder."""

    root: str | None
    size: Pixels
    channels: int
    fit: str
    classes: tuple[str, ...] | None
    extra: str | None

    def __post_init__(self) -> None:
        """Check the ranges."""
        ImageForm(self.size, self.channels, self.fit)


@dataclass(frozen=True)
class _Listed:
    """What lies in a root: id, class and part of each image, and the class folders, such as "train/cat"."""

    ids: list[str]
    labels: list[str]
    official: list[str]
    folders: list[str]
    has_parts: bool


def build(config: Config) -> Manifest:
    """Give the images below the root, sorted by their path; an id is that path, in POSIX form.

    A root that holds nothing but train, val (or valid, validation) and test folders is an official split, whose
    classes are those of all its parts. Folders below a class folder belong to the class. Entries that start with a
    dot, and files without one of IMAGE_SUFFIXES, are left out. Symbolic links are followed.

    The images of the extra folder stand behind the others, synthetic; EXTRA and "/" begin their ids.

    Raises:
        ConfigError: If the root is not set.
        DataError: If a folder cannot be read, has another layout, or a class has no image; if the extra folder has
            other classes, or images of the root.
    """
    root = root_folder(config.root)
    real = _listed(root, _parts(root))
    names = set(real.labels)
    classes = class_order(names, config.classes, str(root))
    ids, labels, paths = real.ids, real.labels, [Path(str(root), found) for found in real.ids]
    official = real.official
    if config.extra is not None:
        extra = root_folder(config.extra, "extra")
        made = _listed(extra, {"": ""})
        _require_apart(root, real, extra, made)
        _require_known(extra, made, classes)
        ids = [*ids, *(f"{EXTRA}/{found}" for found in made.ids)]
        labels, official = [*labels, *made.labels], [*official, *["train"] * len(made.ids)]
        paths = [*paths, *(Path(str(extra), found) for found in made.ids)]
    index = {name: i for i, name in enumerate(classes)}
    return Manifest(
        ids=tuple(ids),
        labels=np.array([index[name] for name in labels], dtype=np.int64),
        classes=classes,
        form=ImageForm(config.size, config.channels, config.fit),
        paths=tuple(paths),
        official=tuple(official) if real.has_parts else None,
        synthetic=np.arange(len(ids)) >= len(real.ids) if config.extra is not None else None,
    )


def _listed(root: Path, parts: dict[str, str]) -> _Listed:
    """Give the images in the class folders of root, sorted; parts is what stands before these folders."""
    # (id, class, part) of every image; ids are unique, so sorting never looks further.
    entries: list[tuple[str, str, str]] = []
    folders: list[str] = []
    names: set[str] = set()
    broken: list[str] = []
    for below, part in parts.items():
        for name in _class_folders(root, below):
            folders.append(f"{below}{name}")
            names.add(name)
            entries.extend((found, name, part) for found in _images(root, f"{below}{name}", broken))
    if broken:
        raise DataError(
            f"{root}: {some(sorted(broken))}: not a file, expected an image ({len(broken)} such)",
            "a symbolic link may lead to nothing",
        )
    entries.sort()
    labels = [name for _, name, _ in entries]
    empty = sorted(names - set(labels))
    if empty or not folders:
        what = f"class folder '{empty[0]}' holds no image ({len(empty)} such)" if empty else "holds no class folder"
        raise DataError(f"{root}: {what}, {_EXPECTED}", f"images end in {', '.join(sorted(IMAGE_SUFFIXES))}")
    ids, official = [found for found, _, _ in entries], [part for _, _, part in entries]
    return _Listed(ids, labels, official, folders, list(parts) != [""])


def _require_apart(root: Path, real: _Listed, extra: Path, made: _Listed) -> None:
    """Raise DataError if an image would be listed twice, as a real and as a synthetic one, or two have one id."""
    ours = {os.path.realpath(path): path for path in (root, *(root / folder for folder in real.folders))}
    others = {os.path.realpath(path): path for path in (extra, *(extra / folder for folder in made.folders))}
    inside = [(path, a) for path, a in others.items() if _within(path, ours)]
    inside += [(path, a) for path, a in ours.items() if _within(path, others)]
    if inside:
        raise DataError(
            f"data.extra={shown(extra)}: {shown(inside[0][1])} lies within the other of data.root and data.extra, "
            "expected folders apart",
            "the same images would be real and synthetic",
        )
    if any(found.startswith(f"{EXTRA}/") for found in real.ids):
        raise DataError(
            f"{root}: a class folder '{EXTRA}', expected another name beside data.extra, whose images have it in theirs"
        )


def _within(path: str, folders: Iterable[str]) -> bool:
    return not {path, *map(str, Path(path).parents)}.isdisjoint(folders)


def _require_known(extra: Path, made: _Listed, classes: tuple[str, ...]) -> None:
    for name in made.labels:
        if name not in classes:
            known = ", ".join(classes)
            message = f"data.extra={shown(extra)}: class folder '{name}', expected one of {shown(known)}"
            raise DataError(message, did_you_mean(name, classes))


def _parts(root: Path) -> dict[str, str]:
    """Give what stands before the class folders, such as "train/" -> "train"; "" -> "" without split folders."""
    folders = _class_folders(root, "")
    named = [name for name in folders if name in SPLIT_NAMES]
    others = [name for name in folders if name not in SPLIT_NAMES]
    if not named or (others and not any(_holds_folders(root / name) for name in named)):
        return {"": ""}
    if others:
        raise DataError(
            f"{root}: folder '{named[0]}' stands beside '{others[0]}', {_EXPECTED}",
            "move what is not a part of the split elsewhere",
        )
    parts = {f"{name}/": SPLIT_NAMES[name] for name in named}
    if "train" not in named or len(set(parts.values())) < len(parts):
        raise DataError(f"{root}: holds {', '.join(named)}, expected train, and at most one of val and one of test")
    return parts


def _holds_folders(folder: Path) -> bool:
    return any(entry.is_dir() for entry in _entries(str(folder)))


def _class_folders(root: Path, below: str) -> list[str]:
    """Give the names of the folders in root/below, sorted; an image among them is an error."""
    names = []
    for entry in _entries(os.path.join(root, below)):
        if entry.is_dir():
            names.append(entry.name)
        elif _is_image(entry.name):
            raise DataError(f"{shown(entry.path)}: an image outside of a class folder, {_EXPECTED}")
    return sorted(names)


def _images(root: Path, folder: str, broken: list[str]) -> list[str]:
    """Give the POSIX paths of the images in and below root/folder, relative to root, in no order.

    Those that are no files are added to broken as well.
    """
    found: list[str] = []
    # Folder, and the real paths of the symbolic links on the way to it.
    todo: list[tuple[str, tuple[str, ...]]] = [(folder, _links(os.path.join(root, folder), ()))]
    while todo:
        below, links = todo.pop()
        for entry in _entries(os.path.join(root, below)):
            if _is_folder(entry):
                inner = _links(entry.path, links) if entry.is_symlink() else links
                todo.append((f"{below}/{entry.name}", inner))
            elif _is_image(entry.name):
                found.append(f"{below}/{entry.name}")
                if not _is_file(entry):
                    broken.append(found[-1])
    return found


def _links(path: str, links: tuple[str, ...]) -> tuple[str, ...]:
    """Give links with the real path of a symbolic link added; a link that leads back is an error."""
    if not os.path.islink(path):
        return links
    real = os.path.realpath(path)
    above = os.path.realpath(os.path.dirname(path))
    if real in links or os.path.join(above, "").startswith(os.path.join(real, "")):
        raise DataError(f"{shown(path)}: a symbolic link that leads back to '{real}', expected folders without a loop")
    return (*links, real)


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    """Give what lies in folder, but for hidden entries."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if CONTROL.search(entry.name):
                    raise DataError(f"{shown(entry.path)}: a name with a control character or without UTF-8, rename it")
                if not entry.name.startswith("."):
                    yield entry
    except OSError as error:
        raise DataError(f"{shown(folder)}: cannot be read ({reason(error)}), expected a folder") from error


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A symbolic link to itself.
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False

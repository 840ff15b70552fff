"""Groups and strata of any source: out of a column of it, or out of the ids."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from cvrun.data import SPLIT_NAMES, Manifest
from cvrun.data._root import some
from cvrun.errors import ConfigError, DataError, did_you_mean
from cvrun.sections import DataConfig


def grouped(manifest: Manifest, data: DataConfig) -> Manifest:
    """Give manifest with the groups and the strata that data asks for; without, it stays as it is.

    Raises:
        ConfigError: If it has no such column.
        DataError: If an image has no value in it, or an id does not match the pattern.
    """
    if data.group_by is not None:
        manifest = replace(manifest, groups=_column(manifest, "group_by", data.group_by))
    if data.group_pattern is not None:
        manifest = replace(manifest, groups=_matched(manifest, data.group_pattern))
    if data.stratify_by is not None:
        values = _column(manifest, "stratify_by", data.stratify_by)
        kinds = {value: number for number, value in enumerate(sorted(set(values)))}
        column = np.array([kinds[value] for value in values], dtype=np.int64)
        manifest = replace(manifest, strata=manifest.labels * len(kinds) + column)
    return manifest if manifest.groups is None else replace(manifest, groups=tuple(map(_readable, manifest.groups)))


def alike(groups: Iterable[str]) -> tuple[str, str] | None:
    """Give two groups that differ in case or leading zeros alone, as one patient is written by two people; or None."""
    seen: dict[str, str] = {}
    for group in sorted(set(groups)):
        plain = re.sub(r"\b0+(?=\d)", "", group.casefold())
        if plain in seen:
            return seen[plain], group
        seen[plain] = group
    return None


def _readable(group: str) -> str:
    """Give a group without what nobody sees: two ways to write one letter, characters of no width (Unicode, UAX 15)."""
    if group.isascii():
        return group.strip()
    return "".join(c for c in unicodedata.normalize("NFC", group) if unicodedata.category(c) != "Cf").strip()


def _column(manifest: Manifest, key: str, name: str) -> tuple[str, ...]:
    """Give a column; only a synthetic image, which is in no group, may have nothing in it."""
    if name not in manifest.columns:
        known = ", ".join(manifest.columns)
        expected = f"expected one of {known}" if known else "the source has no columns"
        hint = did_you_mean(name, manifest.columns) or ("" if known else "data.group_pattern takes groups out of names")
        raise ConfigError(f"data.{key}={name}: {'no such column, ' if known else ''}{expected}", hint)
    values = tuple(map(_readable, manifest.columns[name]))
    empty = _real(manifest, [i for i, value in enumerate(values) if not value])
    if empty:
        message = f"data.{key}={name}: {len(empty):,} of {len(manifest):,} images have no value in that column"
        rows = ", ".join(str(i + 1) for i in empty[:3]) + (", ..." if len(empty) > 3 else "")
        names = some([manifest.ids[i] for i in empty], "'")
        raise DataError(f"{message} (images {rows}: {names}), expected one for each", "fill it in, or data.exclude")
    return values


def _matched(manifest: Manifest, pattern: str) -> tuple[str, ...]:
    """Give what the bracket of pattern matches in each id."""
    compiled = re.compile(pattern)
    found = [compiled.search(name) for name in manifest.ids]
    groups = tuple((match[1] or "") if match else "" for match in found)
    lost = _real(manifest, [i for i, group in enumerate(groups) if not group])
    if lost:
        names = some([manifest.ids[i] for i in lost], "'")
        message = f"data.group_pattern={pattern}: {len(lost):,} of {len(manifest):,} ids do not match"
        raise DataError(f"{message} ({names}), expected a group in each")
    torn = [i for i, group in enumerate(groups) if "/" in group and group.partition("/")[0].lower() in SPLIT_NAMES]
    if manifest.official is not None and torn:
        # Then no group could lie in two parts, and no leak would ever be found.
        message = (
            f"data.group_pattern={pattern}: the group of {manifest.ids[torn[0]]} begins with the folder of its part"
        )
        raise ConfigError(f"{message}, expected what tells patients apart", "(?:^|/) finds where a file name begins")
    return groups


def _real(manifest: Manifest, positions: Sequence[int]) -> list[int]:
    """Give those positions that are not synthetic."""
    return [i for i in positions if manifest.synthetic is None or not manifest.synthetic[i]]

"""Cuts parts out of images: at random, stratified by class, or by whole groups."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cvrun import rng
from cvrun.data import Manifest
from cvrun.data._labels import kind_counts, kinds_of
from cvrun.errors import ConfigError, DataError, require
from cvrun.split._cut import cut

Indices = NDArray[np.int64]


def check_size(key: str, value: float, *, zero: bool) -> None:
    """Check the size of a part.

    Args:
        key: The field of the option's Config.
        value: A fraction below 1, or a whole number of images.
        zero: Whether 0 is allowed.

    Raises:
        RuleError: If value is neither.
    """
    small = 0 < value < 1 or (zero and value == 0)
    whole = math.isfinite(value) and value >= 1 and value == int(value)
    least = "0 <=" if zero else "0 <"
    require(small or whole, key, value, f"a fraction, {least} {key} < 1, or a whole number of images")


def carve(
    manifest: Manifest, pool: Indices, wanted: Mapping[str, float], *, seed: int, stratify: bool, grouped: bool
) -> dict[str, Indices]:
    """Give the parts of wanted, cut out of pool, and the rest as "train".

    Without groups every part has exactly its size, and the part that stands first in wanted does not depend on the
    sizes of the others.

    Args:
        manifest: What the positions refer to.
        pool: Positions in the manifest, int64 (N,).
        wanted: Part -> fraction of the pool below 1, or number of images; 0 gives an empty part.
        seed: Of this split alone.
        stratify: Whether every part gets its share of every class.
        grouped: Whether groups stay whole; sizes are then met as well as the groups allow.

    Returns:
        Positions in the manifest, int64, ascending.

    Raises:
        ConfigError: If a size gives no image, or the sizes leave none for training.
        DataError: If there are too few images of a class, or too few groups.
    """
    sizes = {name: _size(name, value, len(pool)) for name, value in wanted.items()}
    rest = len(pool) - sum(sizes.values())
    if rest < 1:
        asked = ", ".join(f"split.{name}={value:g}" for name, value in wanted.items())
        raise ConfigError(f"{asked}: no image of {len(pool)} is left for training, expected smaller parts")
    if grouped:
        parts = _by_group(manifest, pool, {"train": rest, **sizes}, seed=seed, stratify=stratify)
    else:
        parts = _by_image(manifest, pool, sizes, seed=seed, stratify=stratify)
    return {name: np.sort(part) for name, part in parts.items()}


def _size(name: str, value: float, total: int) -> int:
    count = int(value) if value >= 1 else math.floor(value * total + 0.5)
    if value > 0 and count == 0:
        raise ConfigError(f"split.{name}={value:g}: gives none of {total} images, expected at least one image")
    return count


def _by_image(
    manifest: Manifest, pool: Indices, sizes: Mapping[str, int], *, seed: int, stratify: bool
) -> dict[str, Indices]:
    state = rng.key(seed, "split") % 2**32
    parts: dict[str, Indices] = {}
    rest = pool
    for name, size in sizes.items():
        parts[name] = rest[:0]
        if size == 0:
            continue
        labels = kinds_of(manifest)[0][rest] if stratify else None
        strata = manifest.strata[rest] if stratify and manifest.strata is not None else None
        if stratify:
            _check_classes(manifest, pool, rest, name, size, len([1 for count in sizes.values() if count]) + 1)
        rest, parts[name] = cut(rest, size, state, labels, strata)
    return {"train": rest, **parts}


def _check_classes(manifest: Manifest, pool: Indices, rest: Indices, name: str, size: int, num_parts: int) -> None:
    """Raise DataError where a stratified cut of size images out of rest is impossible."""
    hint = "set split.stratify=false, or leave the rarest classes out"
    left, whole = kind_counts(manifest, rest), kind_counts(manifest, pool)
    scarce = np.flatnonzero((whole > 0) & ((whole < num_parts) | (left < 2)))
    if len(scarce):
        worst = int(scarce[np.argmin(whole[scarce])])
        raise DataError(
            f"split: class '{kinds_of(manifest)[1][worst]}' has {whole[worst]} images ({len(scarce)} such classes),"
            f" expected enough for a share in each of {num_parts} parts",
            hint,
        )
    num_classes = int(np.count_nonzero(whole))
    if min(size, len(rest) - size) < num_classes:
        short = name if size < num_classes else "train"
        got = min(size, len(rest) - size)
        raise DataError(f"split: the {short} part of {got} images cannot hold all {num_classes} classes", hint)


def _by_group(
    manifest: Manifest, pool: Indices, sizes: Mapping[str, int], *, seed: int, stratify: bool
) -> dict[str, Indices]:
    member, counts = groups_of(manifest, pool, stratify)
    parts = [name for name, size in sizes.items() if size]
    if len(counts) < len(parts):
        raise DataError(
            f"split: {len(counts)} groups, expected at least one for each of {', '.join(parts)}",
            "make fewer parts with split.test=0, or name other groups with data.group_by",
        )
    share = np.array([sizes[name] for name in parts], dtype=np.float64) / len(pool)
    chosen = assign(counts, share, rng.key(seed, "split"))[member]
    return {name: pool[chosen == parts.index(name)] if name in parts else pool[:0] for name in sizes}


def groups_of(manifest: Manifest, pool: Indices, stratify: bool) -> tuple[Indices, NDArray[np.float64]]:
    """Give the group of each image of pool, int64 (N,), and what `assign` needs of each group, float64 (G, K).

    K counts the strata, which are the classes where the manifest names no others; without stratification there is one.
    """
    if manifest.groups is None:
        raise ValueError("groups are asked for, of a Manifest without")
    names, member = np.unique(np.array([manifest.groups[i] for i in pool.tolist()], dtype=object), return_inverse=True)
    strata = kinds_of(manifest)[0] if manifest.strata is None else manifest.strata
    # Without stratification only the number of images counts: as if there were one class.
    kinds = np.unique(strata[pool], return_inverse=True)[1] if stratify else np.zeros(len(pool), dtype=np.int64)
    num_kinds = int(kinds.max()) + 1
    counts = np.bincount(member * num_kinds + kinds, minlength=len(names) * num_kinds)
    return member.astype(np.int64), counts.reshape(len(names), num_kinds).astype(np.float64)


def require_grouping(manifest: Manifest, grouped: bool) -> None:
    """See that groups are kept whole where there are some, and asked for only then.

    Raises:
        ConfigError: If not.
    """
    if manifest.groups is not None and not grouped:
        raise ConfigError(
            "split.grouped=false: the source has groups, expected that each stays in one part",
            "set split.grouped=true, or take the groups out with data.group_by=null, data.group_pattern=null and"
            " data.group_column=null",
        )
    if manifest.groups is None and grouped:
        raise ConfigError(
            "split.grouped=true: the source has no groups, expected some",
            "set data.group_by, data.group_pattern or data.group_column, or split.grouped=false",
        )


def assign(counts: NDArray[np.float64], share: NDArray[np.float64], key: int) -> Indices:
    """Give each group a part, such that every part comes near its share of every class.

    Groups are placed one by one, heavy ones first (in steps of a factor two; their order within a step is drawn),
    each where it lowers the chi-square distance between the parts and their targets most, of the parts that still have
    room for it, if any has. The last groups go to the parts that are still empty.

    Args:
        counts: Images of each class in each group, (G, K); every class occurs.
        share: Share of each part, (P,), > 0, P <= G.
        key: Seeds the order.

    Returns:
        Part of each group, int64 (G,); every part has a group.
    """
    target = share[:, None] * counts.sum(axis=0)
    weight = (counts**2 / counts.sum(axis=0)).sum(axis=1)
    order = np.random.RandomState(key % 2**32).permutation(len(counts))
    order = order[np.argsort(-np.floor(np.log2(weight[order])), kind="stable")]
    deficit = target.copy()
    empty = np.ones(len(share), dtype=bool)
    part = np.zeros(len(counts), dtype=np.int64)
    for done, group in enumerate(order.tolist()):
        count = counts[group]
        gain = ((2.0 * deficit - count) * count / target).sum(axis=1)
        # What is missing can still be filled; what is too much stays.
        fits = deficit.sum(axis=1) >= count.sum() - 1e-6
        if fits.any():
            gain[~fits] = -np.inf
        if len(order) - done <= np.count_nonzero(empty):
            gain = np.where(empty, 0.0, -np.inf)
        best = int(np.argmax(gain))
        part[group] = best
        deficit[best] -= count
        empty[best] = False
    return part

"""One of several equal folds for validation, the others for training: a run a fold, and every image is judged once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cvrun import rng
from cvrun.data import Manifest
from cvrun.data._labels import kind_counts, kinds_of
from cvrun.errors import ConfigError, DataError, require
from cvrun.split import Indices, Split, checked, pool
from cvrun.split._carve import assign, carve, check_size, groups_of, require_grouping
from cvrun.split._even import even


@dataclass(frozen=True)
class Config:
    """The keys of split=kfold."""

    folds: int
    fold: int
    test: float
    seed: int
    stratify: bool
    grouped: bool

    def __post_init__(self) -> None:
        """Check the ranges."""
        require(2 <= self.folds <= 1000, "folds", self.folds, "2 <= folds <= 1000")
        require(0 <= self.fold < self.folds, "fold", self.fold, f"0 <= fold < {self.folds} (split.folds)")
        check_size("test", self.test, zero=True)


def build(config: Config, manifest: Manifest) -> Split:
    """Give fold number config.fold as the validation part, and the other folds for training.

    The folds do not depend on which of them is asked for. An official test part is kept as the test part; official
    train and val parts are mixed.

    Raises:
        ConfigError: If the manifest has groups that grouped would tear apart, or none that it could keep whole, or an
            official test part beside the one that config asks for.
        DataError: If there are too few images of a class, or too few groups.
    """
    require_grouping(manifest, config.grouped)
    rows, test = _held_out(config, manifest)
    fold = _by_group(config, manifest, rows) if config.grouped else _by_image(config, manifest, rows)
    return checked(manifest, Split(train=rows[fold != config.fold], val=rows[fold == config.fold], test=test))


def _held_out(config: Config, manifest: Manifest) -> tuple[Indices, Indices]:
    """Give the images that are shared out among the folds, and the test part."""
    rows = pool(manifest)
    if manifest.official is not None and "test" in manifest.official:
        if config.test > 0:
            message = f"split.test={config.test:g}: the source has an official test part, expected 0"
            raise ConfigError(message, "that part is kept for the test")
        official = np.array(manifest.official)
        rows, kept = rows[official[rows] != "test"], np.flatnonzero(official == "test").astype(np.int64)
        if len(rows) == 0:
            raise DataError("split=kfold: every image of the source is in its test part, expected others")
        return rows, kept
    wanted = {"test": config.test}
    parts = carve(manifest, rows, wanted, seed=config.seed, stratify=config.stratify, grouped=config.grouped)
    return parts["train"], parts["test"]


def _by_image(config: Config, manifest: Manifest, rows: Indices) -> Indices:
    """Give the fold of each row: the counts of a class, or of a stratum of it, differ by one image at most."""
    random = np.random.RandomState(rng.key(config.seed, "folds") % 2**32)
    order = random.permutation(len(rows))
    if len(rows) < config.folds:
        raise DataError(f"split: {len(rows)} images, expected at least one for each of {config.folds} folds")
    if config.stratify:
        counts, (kinds, names) = kind_counts(manifest, rows), kinds_of(manifest)
        scarce = np.flatnonzero((counts > 0) & (counts < config.folds))
        if len(scarce):
            worst = int(scarce[np.argmin(counts[scarce])])
            raise DataError(
                f"split: class '{names[worst]}' has {counts[worst]} images ({len(scarce)} such classes),"
                f" expected at least one for each of {config.folds} folds",
                "set split.stratify=false, lower split.folds, or leave the rarest classes out",
            )
        strata = kinds if manifest.strata is None else manifest.strata
        # Dealt out in turn, class by class and stratum by stratum.
        order = order[np.lexsort((strata[rows[order]], kinds[rows[order]]))]
    fold = np.empty(len(rows), dtype=np.int64)
    fold[order] = np.arange(len(rows)) % config.folds
    return fold


def _by_group(config: Config, manifest: Manifest, rows: Indices) -> Indices:
    """Give the fold of each row: groups stay whole, and every fold comes near its share of each class."""
    member, counts = groups_of(manifest, rows, config.stratify)
    if len(counts) < config.folds:
        raise DataError(
            f"split: {len(counts)} groups, expected at least one for each of {config.folds} folds",
            "lower split.folds, or name other groups with data.group_by",
        )
    share = np.full(config.folds, 1 / config.folds)
    fold: Indices = even(counts, share, assign(counts, share, rng.key(config.seed, "folds")))[member]
    return fold

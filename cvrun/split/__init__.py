"""Splits: which images are for training, which for validation, which are kept for the test.

Contract of an option module: a flat frozen dataclass `Config` and `build(config: Config, manifest: Manifest) -> Split`.
To add a split, write `cvrun/split/NAME.py` and `configs/split/NAME.yaml` (with `option: NAME`).
A split has a seed of its own, so that training seeds vary the training and never the question.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvrun.data import Manifest
from cvrun.errors import DataError
from cvrun.split._links import files_of, require_apart


@dataclass(frozen=True)
class Split:
    """Positions in the manifest, int64, ascending, disjoint; test may be empty."""

    train: NDArray[np.int64]
    val: NDArray[np.int64]
    test: NDArray[np.int64]

    def parts(self) -> dict[str, NDArray[np.int64]]:
        """Give the three parts by name."""
        return {"train": self.train, "val": self.val, "test": self.test}


def checked(manifest: Manifest, split: Split) -> Split:
    """Give split back if it can be trained on; every option ends with this.

    Raises:
        DataError: If train or val is empty, parts overlap, a class has no training image although it occurs
            elsewhere, or a group lies in two parts, or a file does, under two names.
    """
    for name, part in split.parts().items():
        if len(part) == 0 and name != "test":
            raise DataError(f"split: the {name} part is empty, expected at least one image")
    together = np.concatenate(list(split.parts().values()))
    if len(np.unique(together)) != len(together):
        raise DataError("split: an image is in two parts, expected disjoint parts")
    missing = np.flatnonzero(manifest.counts(split.train) == 0)
    if len(missing):
        names = ", ".join(f"'{manifest.classes[i]}'" for i in missing[:5])
        raise DataError(
            f"split: no training image of class {names} ({len(missing)} of {len(manifest.classes)} classes),"
            " expected at least one a class",
            "take the class out of data.classes, or split differently",
        )
    if manifest.groups is not None:
        _check_groups(manifest.groups, split)
    # The test part is sealed, its files are not even looked at: `cvrun test` compares them before it opens them.
    require_apart({name: files_of(manifest, split.parts()[name]) for name in ("train", "val")})
    return split


def _check_groups(groups: tuple[str, ...], split: Split) -> None:
    seen: dict[str, str] = {}
    for name, part in split.parts().items():
        for group in {groups[i] for i in part.tolist()}:
            if group in seen:
                raise DataError(
                    f"split: group '{group}' is in {seen[group]} and in {name}, expected every group in one part",
                    "use split=holdout with split.grouped=true, or correct the group column",
                )
            seen[group] = name

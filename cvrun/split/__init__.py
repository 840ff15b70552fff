"""Splits: which images are for training, which for validation, which are kept for the test.

Contract of an option module: a flat frozen dataclass `Config` and `build(config: Config, manifest: Manifest) -> Split`.
To add a split, write `cvrun/split/NAME.py` and `configs/split/NAME.yaml` (with `option: NAME`).
A split has a seed of its own, so that training seeds vary the training and never the question.
It shares out the images of `pool` alone: the synthetic ones join the training part when it is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cvrun.data import Manifest
from cvrun.data._labels import with_label
from cvrun.errors import DataError
from cvrun.split._links import files_of, require_apart

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Positions in the manifest, int64, ascending, disjoint; test may be empty.

    Attributes:
        train: Training images.
        val: Validation images.
        test: Images that are kept for the test.
        out: Images that are meant to be in no part; nobody may put them into one.
    """

    train: Indices
    val: Indices
    test: Indices
    out: Indices = field(default_factory=lambda: np.zeros(0, np.int64))

    def parts(self) -> dict[str, Indices]:
        """Give the three parts by name."""
        return {"train": self.train, "val": self.val, "test": self.test}


def pool(manifest: Manifest) -> Indices:
    """Give the positions of the images that may lie in any part, int64, ascending: all but the synthetic ones."""
    if manifest.synthetic is None:
        return np.arange(len(manifest), dtype=np.int64)
    return np.flatnonzero(~manifest.synthetic).astype(np.int64)


def with_synthetic(manifest: Manifest, split: Split) -> Split:
    """Give split with the synthetic images in its training part, but for those that it leaves out.

    Raises:
        DataError: If it has one in another part: there it would measure how well the generator is learnt.
    """
    if manifest.synthetic is None:
        return split
    for name in ("val", "test"):
        part = split.parts()[name]
        wrong = part[manifest.synthetic[part]]
        if len(wrong):
            first = manifest.ids[wrong[0]]
            message = f"split: {len(wrong):,} synthetic images are in {name}, such as '{first}'"
            raise DataError(f"{message}, expected them in train alone", "correct the split that the source names")
    joining = np.setdiff1d(np.flatnonzero(manifest.synthetic), split.out)
    return replace(split, train=np.union1d(split.train, joining).astype(np.int64))


def checked(manifest: Manifest, split: Split) -> Split:
    """Give split back if it can be trained on; every option ends with this.

    Raises:
        DataError: If train or val is empty, parts overlap, a class has no training image although it occurs
            elsewhere, or a file lies in two parts, under two names.
    """
    for name, part in split.parts().items():
        if len(part) == 0 and name != "test":
            raise DataError(f"split: the {name} part is empty, expected at least one image")
    together = np.concatenate(list(split.parts().values()))
    if len(np.unique(together)) != len(together):
        raise DataError("split: an image is in two parts, expected disjoint parts")
    names = manifest.classes if manifest.sets is None else manifest.sets.names
    missing = np.flatnonzero(with_label(manifest, with_synthetic(manifest, split).train) == 0)
    if len(missing):
        said = ", ".join(f"'{names[i]}'" for i in missing[:5])
        raise DataError(
            f"split: no training image of class {said} ({len(missing)} of {len(names)} classes),"
            " expected at least one a class",
            "take the class out of data.classes, or split differently",
        )
    # The test part is sealed, its files are not even looked at: `cvrun test` compares them before it opens them.
    require_apart({name: files_of(manifest, split.parts()[name]) for name in ("train", "val")})
    return split


def torn(groups: Sequence[str], split: Split) -> dict[str, list[str]]:
    """Give each group that lies in more than one part, with those parts; "" is no group."""
    found: dict[str, list[str]] = {}
    for name, part in split.parts().items():
        for group in dict.fromkeys(groups[i] for i in part.tolist()):
            found.setdefault(group, []).append(name)
    return {group: parts for group, parts in found.items() if group and len(parts) > 1}

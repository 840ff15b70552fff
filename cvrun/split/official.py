"""The parts that the data set itself defines; validation is cut out of train when there is no such part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cvrun.data import Manifest
from cvrun.errors import ConfigError, DataError
from cvrun.split import Split, checked, pool
from cvrun.split._carve import carve, check_size


@dataclass(frozen=True)
class Config:
    """The keys of split=official."""

    val: float
    seed: int

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_size("val", self.val, zero=True)


def build(config: Config, manifest: Manifest) -> Split:
    """Give the official parts; the test part is never used for validation.

    Without a val part, one is cut out of the train part, stratified, and by whole groups if there are groups.

    Raises:
        ConfigError: If the source names no split, or has no val part and config asks for none.
        DataError: If the source has no train part, too few images of a class or too few groups.
    """
    if manifest.official is None:
        raise ConfigError("split=official: the source names no split, expected official parts", "set split=holdout")
    official = np.array(manifest.official)
    parts = {name: np.flatnonzero(official == name).astype(np.int64) for name in ("train", "val", "test")}
    if len(parts["train"]) == 0:
        raise DataError("split=official: the source has no train part, expected one")
    if len(parts["val"]) == 0:
        if config.val == 0:
            raise ConfigError(
                "split.val=0: the source has no val part, expected val > 0",
                "set split.val=0.1 to cut a tenth of the train part out",
            )
        grouped = manifest.groups is not None
        wanted = {"val": config.val}
        real = np.intersect1d(parts["train"], pool(manifest))
        parts |= carve(manifest, real, wanted, seed=config.seed, stratify=True, grouped=grouped)
    return checked(manifest, Split(**parts))

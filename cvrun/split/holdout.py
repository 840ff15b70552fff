"""Random parts for validation and test: stratified by class, or by whole groups such as patients."""

from __future__ import annotations

from dataclasses import dataclass

from cvrun.data import Manifest
from cvrun.errors import ConfigError, require
from cvrun.split import Split, checked, pool
from cvrun.split._carve import carve, check_size, require_grouping


@dataclass(frozen=True)
class Config:
    """The keys of split=holdout."""

    val: float
    test: float
    seed: int
    stratify: bool
    grouped: bool

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_size("val", self.val, zero=False)
        check_size("test", self.test, zero=True)
        both = self.val + self.test
        require(max(self.val, self.test) >= 1 or both < 1, "val", self.val, f"val + test < 1, got {both:g}")


def build(config: Config, manifest: Manifest) -> Split:
    """Give all images of the manifest, cut into three parts.

    Official train and val parts are mixed and cut anew. An official test part must not end up in training, so a
    manifest with one is refused.

    Raises:
        ConfigError: If the manifest has an official test part, groups that grouped would tear apart, or none that it
            could keep whole, or the sizes do not fit.
        DataError: If there are too few images of a class, or too few groups.
    """
    if manifest.official is not None and "test" in manifest.official:
        raise ConfigError(
            "split=holdout: the source has an official test part, expected that it stays out of training",
            "set split=official",
        )
    require_grouping(manifest, config.grouped)
    # The test part comes first, so that it stays the same when val changes.
    parts = carve(
        manifest,
        pool(manifest),
        {"test": config.test, "val": config.val},
        seed=config.seed,
        stratify=config.stratify,
        grouped=config.grouped,
    )
    return checked(manifest, Split(**parts))

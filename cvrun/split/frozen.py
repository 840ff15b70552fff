"""The parts that a file names for each image, such as the split.csv of an earlier run; an edited one is refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cvrun.data import SPLITS, Manifest
from cvrun.data._hashed import behind
from cvrun.data._root import some
from cvrun.errors import ConfigError, DataError, one_of
from cvrun.split import Split, checked
from cvrun.split._file import NONE, read

OTHERS = ("error", "ignore")
_OTHER = "not named"


@dataclass(frozen=True)
class Config:
    """The keys of split=frozen."""

    file: str | None
    others: str

    def __post_init__(self) -> None:
        """Check the ranges."""
        one_of("others", self.others, OTHERS)


def build(config: Config, manifest: Manifest) -> Split:
    """Give the parts of the file; what it names as none is in no part.

    Raises:
        ConfigError: If no file is named.
        DataError: If the file cannot be read or was edited, names images that the source does not have, or does not
            name all that it has and others=error.
    """
    if not config.file:
        raise ConfigError("split.file=null: expected a split file", "split.csv in the folder of a run is one")
    written = read(Path(config.file))
    # A run whose names are hidden has written hashes.
    hidden = behind(written, manifest.ids)
    named = {hidden.get(name, name): part for name, part in written.items()}
    known = set(manifest.ids)
    # A synthetic image that the file does not name joins the training part, as it does in every split.
    joining = np.zeros(len(manifest), np.bool_) if manifest.synthetic is None else manifest.synthetic
    part = np.array(
        [named.get(name, "" if joins else _OTHER) for name, joins in zip(manifest.ids, joining, strict=True)]
    )
    unknown = [name for name in named if name not in known]
    missing = [manifest.ids[i] for i in np.flatnonzero(part == _OTHER).tolist()]
    strange, unnamed = some(unknown, "'"), some(missing, "'")
    wrong = [f"{len(unknown):,} of its images are not in the source ({strange})"] if unknown else []
    hint = ""
    if missing and config.others == "error":
        wrong.append(f"{len(missing):,} images of the source are not in it ({unnamed})")
        hint = "split.others=ignore leaves what it does not name in no part"
    if wrong:
        message = f"split.file={config.file}: {', and '.join(wrong)}, expected the images of the source"
        error = DataError(message, hint)
        error.names = tuple(unknown)
        raise error
    parts = {name: np.flatnonzero(part == name).astype(np.int64) for name in SPLITS}
    out = np.flatnonzero((part == NONE) | (part == _OTHER)).astype(np.int64)
    return checked(manifest, Split(**parts, out=out))

"""Which images a run works with, and in which part each lies: listed, grouped, split, and what is left out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from cvrun import options
from cvrun.data import Manifest
from cvrun.plan import DataFacts
from cvrun.spec import Spec
from cvrun.split import Split


@dataclass(frozen=True)
class Selection:
    """The data of a run, before an image is decoded.

    Attributes:
        manifest: All images that the source lists.
        split: Which of them are in which part.
    """

    manifest: Manifest
    split: Split


def select(spec: Spec) -> Selection:
    """Give the data that spec describes; no image is opened.

    Raises:
        CvrunError: If it cannot be listed, or not be split as asked.
    """
    manifest: Manifest = options.build("data", spec.parts["data"].option, spec.parts["data"].config)
    split: Split = options.build("split", spec.parts["split"].option, spec.parts["split"].config, manifest)
    return Selection(manifest, split)


def facts(manifest: Manifest, split: Split) -> DataFacts:
    """Give what is known of the data before an image is decoded."""
    used = np.concatenate([split.train, split.val])
    names = [(part, [manifest.ids[i] for i in rows.tolist()]) for part, rows in split.parts().items()]
    groups: dict[str, int] = {}
    if manifest.groups is not None:
        every = manifest.groups
        groups = {part: len({every[i] for i in rows.tolist()}) for part, rows in split.parts().items()}
    return DataFacts(
        classes=manifest.classes,
        form=manifest.form,
        counts={part: tuple(manifest.counts(rows).tolist()) for part, rows in split.parts().items()},
        groups=groups,
        data_fingerprint=manifest.fingerprint(used),
        split_fingerprint=hashlib.sha256(repr(names).encode()).hexdigest(),
    )

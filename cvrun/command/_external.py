"""A test set from elsewhere: the run's kind of data below another root, all of it."""

from __future__ import annotations

import dataclasses
import re

import numpy as np

from cvrun import options
from cvrun.command._measured import Ready
from cvrun.data import Manifest
from cvrun.errors import ConfigError, DataError, did_you_mean
from cvrun.keys import require_own
from cvrun.privacy import hashed, listing


def external(text: str, run: Ready) -> tuple[str, Manifest]:
    """Give name and images of a test set that the command line names.

    It is read as the run's data are, but for another root, and without a column of splits or a second folder of
    synthetic images. Its images get the form of those that the model was trained on. Synthetic ones, which may only be
    trained on, can be among them.

    Args:
        text: NAME=ROOT.
        run: Whose model is to be measured.

    Raises:
        ConfigError: If the name is none, or the run's data have no root.
        DataError: If there are no such data, or they have a class that the model does not know.
    """
    name, _, root = text.partition("=")
    taken = ("last", "tta", *options.choices("tta"))
    plain = re.fullmatch(r"[A-Za-z0-9_]{1,40}", name) and root
    if not plain or name in taken:
        rule = f"NAME=ROOT with a name of letters, digits and _, none of {', '.join(taken)}"
        raise ConfigError(f"--external {text}: expected {rule}", "the name is that of files with predictions")
    choice = run.prepared.plan.spec.parts["data"]
    require_own(f"--external {text}", "data.root", run.prepared.plan.spec)
    changed = {"root": root, "split_column": None, "extra": None}
    known = {field.name for field in dataclasses.fields(choice.config)}
    config = dataclasses.replace(choice.config, **{key: changed[key] for key in changed if key in known})
    hide = run.prepared.plan.spec.data.hash_ids
    with listing(hide):
        manifest: Manifest = options.build("data", choice.option, config)
    manifest = dataclasses.replace(_in_classes(manifest, run.trained.classes, root), form=run.trained.form)
    return name, hashed(manifest) if hide else manifest


def _in_classes(manifest: Manifest, classes: tuple[str, ...], root: str) -> Manifest:
    """Give the images with the classes of the model."""
    if manifest.sets is not None:
        return dataclasses.replace(manifest, sets=manifest.sets.among(classes, root))
    used = [manifest.classes[label] for label in np.unique(manifest.labels).tolist()]
    strange = [name for name in used if name not in classes]
    if strange:
        fact = f"class '{strange[0]}' is unknown to the model ({len(strange)} such)"
        raise DataError(f"{root}: {fact}, expected {', '.join(classes)}", did_you_mean(strange[0], classes))
    index = np.array([classes.index(name) if name in classes else -1 for name in manifest.classes], dtype=np.int64)
    return dataclasses.replace(manifest, classes=classes, labels=index[manifest.labels])

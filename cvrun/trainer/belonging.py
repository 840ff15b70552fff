"""Whether a checkpoint belongs to a run: what it says about its data, split, pixels, classes and parameters."""

from __future__ import annotations

import itertools
from typing import Any

from cvrun.errors import CheckpointError

CHANGED = "the data or the model changed since; rerun=true starts afresh and keeps this run aside"


def check_meta(where: str, saved: dict[str, Any], expected: Any, hint: str = CHANGED) -> None:
    """Compare what a checkpoint says about its run with what it is to be used for.

    Args:
        where: The checkpoint, for messages.
        saved: What it says.
        expected: The same of what it is to be used for.
        hint: What to do where they differ.

    Raises:
        CheckpointError: If classes, data, split, normalization or parameters differ; names the first difference.
    """
    for name in ("run_id", "classes", "data_fingerprint", "split_fingerprint", "pixels", "normalization", "parameters"):
        there, here = saved.get(name), expected[name]
        if name == "normalization":
            there, here = _numbers(there), _numbers(here)
        if name == "pixels" and isinstance(there, dict):
            there, here = _known(there, here)
        if there != here:
            theirs, ours = _difference(there, here)
            raise CheckpointError(f"{where}: its {name} is {theirs}, expected {ours}", hint)


def require_own_split(where: str, saved: dict[str, Any]) -> None:
    """See that the normalization of a checkpoint was fitted on the training images of the checkpoint's own split.

    Raises:
        CheckpointError: If it names another split; those of older runs name none.
    """
    theirs, ours = saved["normalization"].get("split"), saved.get("split_fingerprint")
    if theirs not in (None, ours):
        message = f"{where}: its normalization was fitted on split {theirs}, expected {ours}"
        raise CheckpointError(message, "both were written together, so the checkpoint has been put together since")


def _numbers(normalization: Any) -> Any:
    """Give what a normalization computes, as a list: without its split, which is compared by itself; with its kind."""
    if not isinstance(normalization, dict):
        return normalization
    return [f"{key} {value}" for key, value in sorted({"kind": "affine", **normalization}.items()) if key != "split"]


def _known(saved: dict[str, str], expected: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Give both without what is not known to one: images that are decoded as they are needed have no digest."""
    unknown = {part for digests in (saved, expected) for part, digest in digests.items() if digest == ""}
    known = [{part: digests[part] for part in digests if part not in unknown} for digests in (saved, expected)]
    return known[0], known[1]


def _difference(saved: Any, expected: Any) -> tuple[str, str]:
    """Give both in short; of two lists the first entries that differ."""
    if isinstance(saved, list) and isinstance(expected, list):
        pairs = enumerate(itertools.zip_longest(saved, expected, fillvalue="nothing"))
        position, (theirs, ours) = next((i, pair) for i, pair in pairs if pair[0] != pair[1])
        return f"'{theirs}' at {position}", f"'{ours}'"
    return f"{saved}", f"{expected}"

"""Opening a test set: what it is known by, and the line in the ledger that comes before a model sees an image of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cvrun import fault, ledger
from cvrun.command._content_hash import content_hashes, fingerprint
from cvrun.command._leaked import Leaked, leaked
from cvrun.command._measured import Images, Ready, decoded
from cvrun.command._output import say
from cvrun.errors import ConfigError, DataError
from cvrun.folder import RunFolder
from cvrun.opening import Count, Draft, Opening, count
from cvrun.report.openings import run_name
from cvrun.sketch import shared, sketch
from cvrun.split._links import files_of, require_apart
from cvrun.trainer.digest import digest


@dataclass(frozen=True)
class Opened:
    """A test set that is open.

    Attributes:
        images: The test set, decoded.
        leaked: Images of it that the model has seen, which were accepted.
        opening: The line of this opening.
        count: All openings of the set, with this one.
        path: Of the ledger.
    """

    images: Images
    leaked: Leaked
    opening: Opening
    count: Count
    path: Path


def unseal(run: Ready, images: Images, external: str | None, reason: str | None, accept: bool) -> Opened:
    """Open a test set for a model: write it into the ledger, and keep a copy beside the run.

    Args:
        run: The model.
        images: The test set.
        external: Its name, where it is not the run's own test part.
        reason: Why, in the user's words; another model than those before needs one.
        accept: Whether images of it may be among those of training and validation.

    Raises:
        DataError: If it has no image, one cannot be used, or one is an image of training or validation and may not be.
        ConfigError: If a reason is needed.
        CheckpointError: If the ledger is not as it was written.
        StorageError: If the ledger cannot be written.
    """
    if len(images.rows) == 0:
        raise DataError(f"split: the {images.part} part is empty, expected at least one image")
    _require_unseen(run, images)
    path, where = ledger.place(run.folder.path), run_name(run.folder.path)
    hashes = content_hashes(images.manifest, images.rows, run.prepared.plan.spec.settings)
    draft = Draft(
        run=where,
        run_id=run.trained.meta["run_id"],
        config=_config(run.folder),
        weights=digest(run.trained.model.state_dict()),
        checkpoint=run.checkpoint,
        step=run.trained.step,
        test=fingerprint(images.manifest, images.rows, hashes),
        sketch=sketch(hashes),
        names=run.prepared.plan.data.test_names,
        external=external,
        images=len(images.rows),
        leaked=0,
        reason=reason,
    )
    # What is refused is neither searched for copies nor decoded; what does not open should not cost an opening.
    _allowed(draft, ledger.whole(path))
    found = leaked(run, images, hashes, external is not None, accept)
    found.require_accepted(external)
    draft = replace(draft, leaked=found.count)
    images = replace(images, decoded=decoded(run, images))
    opening = ledger.append(path, lambda openings: _told(draft, openings), say)
    fault.point("test.opened")
    openings = ledger.read(path)
    ledger.keep_copy(run.folder.path, openings, where)
    return Opened(images, found, opening, count(openings, {draft.test}), path)


def _allowed(draft: Draft, openings: Sequence[Opening]) -> list[Opening]:
    """Give the last opening of each set that shares images with this one, if draft needs no reason or has one.

    The set itself comes first, then those that share most. A reason is needed where one of them was opened for other
    models only; a model that has opened this very set learns nothing new from it.

    Raises:
        ConfigError: If there is none.
    """
    sets: dict[str, list[Opening]] = {}
    for opening in openings:
        if _share(opening, draft) > 0:
            sets.setdefault(opening.test, []).append(opening)
    before = sorted(sets.values(), key=lambda each: -_share(each[0], draft))
    known = [any(opening.weights == draft.weights for opening in each) for each in before]
    if draft.reason is None and not (known and known[0] and before[0][0].test == draft.test):
        for each in [each for each, is_known in zip(before, known, strict=True) if not is_known][:1]:
            rule = "another model on it needs a reason"
            raise ConfigError(f"{_said(each[-1], draft)}; {rule}", 'give --reason "WHY", it is kept for good')
    return [each[-1] for each in before]


def _told(draft: Draft, openings: Sequence[Opening]) -> Draft:
    """Give draft, if it is allowed, and say what was opened before."""
    for opening in _allowed(draft, openings)[:1]:
        say(_said(opening, draft, " before"))
    return draft


def _share(opening: Opening, draft: Draft) -> float:
    """Give how much of two sets is in both, in [0, 1]; more for the same one."""
    return 2.0 if opening.test == draft.test else shared(opening.sketch, draft.sketch)


def _said(opening: Opening, draft: Draft, before: str = "") -> str:
    what = "this test set"
    if opening.test != draft.test:
        # They differ, and what differs may lie outside of the sketches.
        share = min(_share(opening, draft), 0.99)
        what = f"a test set that shares images with this one (about {max(share, 0.01):.0%} of all images of both)"
    weights = "the same model" if opening.weights == draft.weights else f"another model, of {opening.run}"
    return f"{what} was opened{before} for {weights}: line {opening.number} of {ledger.NAME}, {opening.time}"


def _config(folder: RunFolder) -> str:
    """Give a sha256 (hex) of what the run was told: its spec.yaml, and what was changed since."""
    changes = folder.changes.read_bytes() if folder.changes.exists() else b""
    return hashlib.sha256(folder.spec.read_bytes() + changes).hexdigest()


def _require_unseen(run: Ready, images: Images) -> None:
    """See that no link makes a file of training or validation one of the test set."""
    manifest, split = run.prepared.manifest, run.prepared.split
    seen = {name: files_of(manifest, split.parts()[name]) for name in ("train", "val")}
    require_apart({**seen, images.part: files_of(images.manifest, images.rows)})

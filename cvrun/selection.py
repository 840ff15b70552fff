"""Which images a run works with, and in which part each lies: listed, grouped, split, and what is left out.

The order is fixed. The split comes before the exclusions, so that leaving an image out moves no other; the subset comes
after them and touches the training part alone.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from cvrun import options
from cvrun.data import Manifest
from cvrun.data._hashed import hashed_name
from cvrun.errors import DataError
from cvrun.exclusion import exclusions, without
from cvrun.grouping import alike, grouped
from cvrun.plan import DataFacts, Flow
from cvrun.privacy import hashed, hiding, listing
from cvrun.spec import Spec
from cvrun.split import Split, checked, torn, with_synthetic
from cvrun.split._file import fingerprint, names_of
from cvrun.split._subset import subset


@dataclass(frozen=True)
class Selection:
    """The data of a run, before an image is decoded.

    Attributes:
        manifest: All images that the source lists.
        split: Which of them are in which part.
        flow: What became of those that are in none.
        warnings: Lines for the user.
        stratum: The column of data.stratify_by, or None.
    """

    manifest: Manifest
    split: Split
    flow: Flow
    warnings: tuple[str, ...] = ()
    stratum: str | None = None

    def without_unreadable(self, split: Split) -> Selection:
        """Give the selection with a split from which training images were taken that cannot be read."""
        missing = len(self.split.train) - len(split.train)
        return replace(self, split=split, flow=replace(self.flow, unreadable=self.flow.unreadable + missing))


def select(spec: Spec) -> Selection:
    """Give the data that spec describes; no image is opened.

    Raises:
        CvrunError: If it cannot be listed, or not be split as asked.
    """
    data = spec.data
    with listing(data.hash_ids):
        manifest: Manifest = options.build("data", spec.parts["data"].option, spec.parts["data"].config)
    limits = (data.value_range[0], data.value_range[1]) if data.value_range else None
    manifest = replace(manifest, form=replace(manifest.form, value_range=limits))
    choice = spec.parts["split"]
    with hiding(manifest, data.hash_ids):
        manifest = grouped(manifest, data)
    with hiding(manifest, data.hash_ids):
        split: Split = options.build("split", choice.option, choice.config, manifest)
        split = with_synthetic(manifest, split)
        excluded = exclusions(manifest, data.exclude)
        unplaced = np.setdiff1d(split.out, list(excluded))
        split = without(split, np.array(list(excluded), dtype=np.int64))
        kept = subset(manifest, split.train, data.subset, int(getattr(choice.config, "seed", 0)))
    flow = Flow(
        listed=len(manifest),
        synthetic=0 if manifest.synthetic is None else int(np.count_nonzero(manifest.synthetic)),
        unplaced=len(unplaced),
        excluded=dict(Counter(excluded.values()).most_common()),
        subset=len(split.train) - len(kept),
        unreadable=0,
    )
    left = np.setdiff1d(split.train, kept)
    split = replace(split, train=kept, out=np.union1d(split.out, left).astype(np.int64))
    doubtful = alike(manifest.groups) if manifest.groups is not None else None
    # From here on nothing knows a name: what is split, excluded or drawn by names was so under the names of the source.
    manifest = hashed(manifest) if data.hash_ids else manifest
    warnings = (*_torn_groups(manifest, split, data.accept_leakage), *_doubtful_groups(doubtful, data.hash_ids))
    return Selection(manifest, checked(manifest, split), flow, warnings, data.stratify_by)


def _doubtful_groups(pair: tuple[str, str] | None, hide: bool) -> tuple[str, ...]:
    """Give a warning about two groups that may be one."""
    if pair is None:
        return ()
    first, second = (hashed_name(group) if hide else group for group in pair)
    return (f"groups '{first}' and '{second}' differ in case or leading zeros alone, and count as two",)


def _torn_groups(manifest: Manifest, split: Split, accepted: bool) -> tuple[str, ...]:
    """Give a warning where groups lie in more than one part and that is accepted.

    Raises:
        DataError: If it is not.
    """
    leaks = torn(manifest.groups, split) if manifest.groups is not None else {}
    if not leaks:
        return ()
    assert manifest.groups is not None
    group, (first, second) = next((group, parts[:2]) for group, parts in leaks.items())
    images = {
        part: sum(manifest.groups[i] in leaks for i in rows.tolist())
        for part, rows in split.parts().items()
        if len(rows)
    }
    counted = ", ".join(f"{count:,} of {part}" for part, count in images.items())
    many = f"{len(leaks):,} groups lie in more than one part: images {counted}"
    if accepted:
        return (f"data.accept_leakage=true: {many}; such as '{group}' in {first} and {second}",)
    raise DataError(
        f"split: group '{group}' is in {first} and in {second}, expected every group in one part",
        f"{many}; use split=holdout with split.grouped=true, or correct data.group_by, data.group_pattern or the group"
        " column; data.accept_leakage=true trains all the same",
    )


def facts(selection: Selection) -> DataFacts:
    """Give what is known of the data before an image is decoded."""
    manifest, split = selection.manifest, selection.split
    used = np.concatenate([split.train, split.val])
    groups: dict[str, int] = {}
    if manifest.groups is not None:
        every = manifest.groups
        groups = {part: len({every[i] for i in rows.tolist()} - {""}) for part, rows in split.parts().items()}
    return DataFacts(
        classes=manifest.classes,
        form=manifest.form,
        counts={part: tuple(manifest.counts(rows).tolist()) for part, rows in split.parts().items()},
        groups=groups,
        data_fingerprint=manifest.fingerprint(used),
        split_fingerprint=fingerprint(names_of(manifest, split)),
        test_names=_test_names(manifest, split),
        flow=selection.flow,
        strata=_strata(manifest, split, selection.stratum),
        sets=manifest.sets,
    )


def _test_names(manifest: Manifest, split: Split) -> str:
    """Give a sha256 of the test part that folds, subsets and other exclusions leave as it is."""
    if len(split.test) == 0:
        return ""
    names = sorted(manifest.ids[i] for i in split.test.tolist())
    return hashlib.sha256(repr((manifest.classes, len(manifest), names)).encode()).hexdigest()


def _strata(manifest: Manifest, split: Split, column: str | None) -> dict[str, dict[str, int]]:
    """Give the images of each part in each stratum, a class and a value of column; nothing without such a column."""
    if column is None:
        return {}
    values = manifest.columns[column]
    named = [(manifest.classes[int(k)], value) for k, value in zip(manifest.labels, values, strict=True)]
    order = sorted({(int(k), value) for k, value in zip(manifest.labels, values, strict=True)})
    found = {}
    for part, rows in split.parts().items():
        counts = Counter(named[i] for i in rows.tolist())
        found[part] = {f"{manifest.classes[k]}, {value}": counts[manifest.classes[k], value] for k, value in order}
    return found

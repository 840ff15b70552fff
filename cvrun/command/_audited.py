"""The audit at the start of a run."""

from __future__ import annotations

import dataclasses

from cvrun.dist import Together
from cvrun.prepare import Prepared


def audited(prepared: Prepared, together: Together) -> Prepared:
    """Give a run that may start, with what the audit of its data warns of; as it is where `audit=false`.

    Raises:
        DataError: If images are in two parts and data.accept_leakage does not say that they may be.
        OutOfMemoryError: If an image does not fit into memory.
        StorageError: If files are not read in time.
    """
    spec, manifest, split = prepared.plan.spec, prepared.manifest, prepared.split
    if not spec.settings.audit:
        return prepared
    from cvrun.audit.verdict import judge

    settings, accepted = spec.settings, spec.data.accept_leakage
    lines = together.first(
        lambda: judge(manifest, split, settings.num_workers, settings.worker_timeout, accepted),
    )
    plan = dataclasses.replace(prepared.plan, warnings=(*prepared.plan.warnings, *lines))
    return dataclasses.replace(prepared, plan=plan)

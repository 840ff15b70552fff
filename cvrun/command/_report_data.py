"""The data of a run for its report: listed again, and used only where they are those of the training."""

from __future__ import annotations

from cvrun.config import load
from cvrun.errors import ConfigError, CvrunError
from cvrun.folder import RunFolder
from cvrun.selection import Selection, facts, select
from cvrun.yamlfile import load_yaml


def own_data(folder: RunFolder) -> tuple[Selection | None, str]:
    """Give the data of a run, or None and why: gone, others than those of the run, or with hidden names."""
    try:
        spec = load(folder.spec, [])
        if spec.data.hash_ids:
            return None, "data.hash_ids hides which images they are"
        selection = select(spec)
        known = _fingerprint(folder)
        if not known:
            return None, "plan.yaml does not say what the data of the training were"
        if facts(selection).data_fingerprint != known:
            return None, "the data are not those of the training any more"
    except CvrunError as error:
        return None, f"the data cannot be read here ({error})"
    return selection, ""


def _fingerprint(folder: RunFolder) -> str:
    try:
        plan = load_yaml(folder.plan)
    except (OSError, ConfigError):
        return ""
    found = plan.get("data") if isinstance(plan, dict) else None
    return str(found.get("data_fingerprint")) if isinstance(found, dict) else ""

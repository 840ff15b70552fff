"""How often test sets have been opened: what the ledger beside the runs says; no image is looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cvrun import ledger
from cvrun.errors import ConfigError, CvrunError, printable
from cvrun.folder import RunFolder
from cvrun.opening import Count, Opening, count
from cvrun.yamlfile import load_yaml


def of_run(run: RunFolder) -> dict[str, Count]:
    """Give the test sets of a run: "" for its own part, if it has one, then those from elsewhere by name.

    A set is known by its content, so it counts also where other runs opened it, or one of the same run under another
    name. The run's own part is what was opened under the same names, by whichever run: folds and subsets share it.

    Raises:
        ConfigError: If something stands in for the ledger or the run's copy of it.
        CheckpointError: If one of them is not as it was written, or lines are missing.
    """
    path = ledger.place(run.path)
    openings = ledger.read(path)
    ledger.require_whole(path, openings, [run.path])
    where = run_name(run.path)
    mine = [opening for opening in openings if opening.run == where]
    names = _test_names(run)
    found: dict[str, Count] = {}
    own = {opening.test for opening in mine if opening.external is None}
    if names or own:
        own = own or {opening.test for opening in openings if opening.names == names and opening.external is None}
        found[""] = count(openings, own)
    for name in sorted({opening.external for opening in mine if opening.external is not None}):
        sets = {opening.test for opening in mine if opening.external == name}
        found[name] = count(openings, sets)
    return found


def run_name(run: Path) -> str:
    """Give how the ledger calls a run: its folder from that of the ledger on."""
    path = run.resolve()
    return f"{path.parent.name}/{path.name}"


def in_words(counts: Mapping[str, Count]) -> list[str]:
    """Give a line for each test set of a run."""
    return [printable(each.said(_what(name))) for name, each in counts.items()]


def or_fault(run: RunFolder) -> list[str]:
    """Give the lines of a run, or what is wrong with its ledger where other work is done and has to be shown."""
    try:
        return in_words(of_run(run))
    except CvrunError as error:
        return [f"warning: {error}"]


def below(lines: Sequence[str]) -> str:
    """Give lines as they stand below a table: nothing, or an empty line before them."""
    return "\n" + "".join(f"{line}\n" for line in lines) if lines else ""


def own_part(counts: Mapping[str, Count]) -> dict[str, int | None]:
    """Give how often a run's own test part was opened, for programs; None where it has none."""
    own = counts.get("")
    return {
        "test_openings": own.openings if own else None,
        "test_models": own.models if own else None,
        "test_sharing": own.sharing if own else None,
    }


def all_sets(runs: Sequence[Path]) -> list[str]:
    """Give a line for each test set in the ledgers of runs.

    Raises:
        ConfigError: If something stands in for a ledger or a run's copy of it.
        CheckpointError: If one of them is not as it was written, or lines are missing.
    """
    found = []
    for path in sorted({ledger.place(run) for run in runs}):
        openings = ledger.read(path)
        ledger.require_whole(path, openings, [run for run in runs if ledger.place(run) == path])
        sets: dict[str, list[Opening]] = {}
        for opening in openings:
            sets.setdefault(opening.test, []).append(opening)
        for test, each in sets.items():
            names = sorted({f"'{opening.external}'" for opening in each if opening.external is not None})
            called = f" ({', '.join(names)})" if names else ""
            images = f"{each[-1].images:,} images"
            found.append(printable(count(openings, {test}).said(f"test set {test[:12]}{called} of {images}")))
    return found


def _what(name: str) -> str:
    return f"the external test set '{name}'" if name else "the test set of this run"


def _test_names(run: RunFolder) -> str:
    """Give which images are the test part of a run, as its plan says; nothing where it has none."""
    try:
        plan = load_yaml(run.plan)
    except (OSError, ConfigError):
        return ""
    data: Any = plan.get("data") if isinstance(plan, dict) else None
    return str(data.get("test_names") or "") if isinstance(data, dict) else ""

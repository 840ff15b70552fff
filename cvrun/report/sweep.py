"""The runs below a folder side by side: what differs, which is best, and which differ in the seed alone."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cvrun.errors import CvrunError
from cvrun.folder import RunFolder
from cvrun.optimism import Picking
from cvrun.report.openings import all_sets
from cvrun.report.runs import describe, read_plan, run_folders
from cvrun.report.seeds import Spread, spread
from cvrun.report.settings import flat, settings_of


@dataclass(frozen=True)
class SweepRun:
    """A run among others.

    Attributes:
        facts: As find_runs gives them.
        values: Full key -> value of what can change a result, but the seed.
        seed: None where it is not known.
        mode: "max" or "min": which scores are better.
    """

    facts: Mapping[str, Any]
    values: Mapping[str, Any]
    seed: Any
    mode: str

    @property
    def score(self) -> float | None:
        """The score, where it is a finite number."""
        value = self.facts["score"]
        return float(value) if value is not None and math.isfinite(value) else None

    @property
    def label(self) -> str:
        """Name and id."""
        return f"{self.facts['name']} {self.facts['id']}"

    @property
    def setting(self) -> str:
        """What it has in common with runs that differ in nothing but the seed."""
        return json.dumps(self.values, sort_keys=True, default=str)

    @property
    def in_place(self) -> bool:
        """Whether its folder has its id as name."""
        return bool(Path(self.facts["path"]).name == self.facts["id"])

    @property
    def put_aside(self) -> bool:
        """Whether rerun=true has given its folder the name of a run that was put aside, such as 3fa9c1d2.1."""
        name, _, number = Path(self.facts["path"]).name.rpartition(".")
        return name == self.facts["id"] and number.isdecimal()

    @property
    def counts(self) -> bool:
        """Whether it is finished and has a score, so that it can be compared."""
        return self.facts["state"] == "finished" and self.score is not None


@dataclass(frozen=True)
class Group:
    """Runs that differ in nothing but the seed.

    Attributes:
        runs: One a seed, each with a score, the best first.
        spread: Of their scores.
    """

    runs: Sequence[SweepRun]
    spread: Spread

    @property
    def mean(self) -> float:
        """Of the scores."""
        return self.spread.mean

    @property
    def sd(self) -> float | None:
        """Standard deviation of a sample (n - 1); None for a single run."""
        return self.spread.sd


@dataclass(frozen=True)
class Sweep:
    """The runs below a folder.

    Attributes:
        folder: As it was named.
        runs: All but those put aside and copies, the best first; those that cannot be compared come last.
        varying: Keys of which those runs have several values, in the order of the configuration.
        aside: How many runs a later one of the same id has put aside, or are copies of one under another name.
        openings: Lines about test sets.
        picking: What picking the best of the ranked runs comes to, where that has been worked out.
        not_picked: Why it has not.
    """

    folder: str
    runs: Sequence[SweepRun]
    varying: Sequence[str]
    aside: int
    openings: Sequence[str]
    picking: Picking | None = None
    not_picked: str = "nobody has looked at the predictions"

    @property
    def monitor(self) -> str:
        """The metric that most of the finished runs were scored by; empty where none was."""
        found = Counter(str(run.facts["monitor"]) for run in self.runs if run.counts)
        return found.most_common(1)[0][0] if found else ""

    @property
    def ranked(self) -> list[SweepRun]:
        """The finished runs that were scored by the monitor, the best first."""
        monitor = self.monitor
        return [run for run in self.runs if run.counts and str(run.facts["monitor"]) == monitor]

    @property
    def others(self) -> int:
        """How many finished runs were scored by another metric."""
        return sum(run.counts for run in self.runs) - len(self.ranked)

    @property
    def states(self) -> Mapping[str, int]:
        """How many runs are in each state."""
        return Counter(str(run.facts["state"]) for run in self.runs)

    def groups(self) -> list[Group]:
        """Give the ranked runs that differ in the seed alone together, the best mean first."""
        found: dict[str, dict[str, SweepRun]] = {}
        for run in self.ranked:
            found.setdefault(run.setting, {}).setdefault(repr(run.seed), run)
        groups = [_group(list(runs.values())) for runs in found.values()]
        sign = -1 if groups and groups[0].runs[0].mode == "max" else 1
        return sorted(groups, key=lambda group: sign * group.mean)


def read_sweep(folder: Path) -> Sweep:
    """Give the runs below a folder.

    Raises:
        DataError: If there is no such folder.
    """
    found = [read_run(each) for each in run_folders(folder)]
    try:
        openings = all_sets([Path(run.facts["path"]) for run in found])
    except CvrunError as error:
        openings = [f"warning: {error}"]
    return sweep_of(folder, found, openings)


def sweep_of(folder: Path, found: Sequence[SweepRun], openings: Sequence[str] = ()) -> Sweep:
    """Give runs below a folder side by side.

    Args:
        folder: As it was named.
        found: All of them, those put aside too.
        openings: Lines about test sets.
    """
    # A folder of another name is a run that was renamed, or the copy of one that is there as well.
    there = {run.facts["id"] for run in found if run.in_place}
    kept = [run for run in found if run.in_place or not (run.put_aside or run.facts["id"] in there)]
    return Sweep(folder.as_posix(), sorted(kept, key=_rank), varying_keys(kept), len(found) - len(kept), openings)


def varying_keys(runs: Sequence[SweepRun]) -> list[str]:
    """Give the keys that have several values among the runs that have the key at all.

    What only one option has does not vary by that: its option does.
    """
    seen: dict[str, set[str]] = {}
    for run in runs:
        for key, value in run.values.items():
            seen.setdefault(key, set()).add(shown(value))
    return [key for key, values in seen.items() if len(values) > 1]


def shown(value: Any) -> str:
    """Give a value of a configuration as it is written there."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _rank(run: SweepRun) -> tuple[bool, float, str]:
    score = run.score or 0.0
    return not run.counts, -score if run.mode == "max" else score, str(run.facts["path"])


def _group(runs: Sequence[SweepRun]) -> Group:
    return Group(runs, spread([run.score for run in runs if run.score is not None]))


def read_run(folder: RunFolder) -> SweepRun:
    """Give one run; what is not known is empty."""
    plan, values = read_plan(folder), settings_of(folder)
    seed = values.pop("seed", None)
    values = dict(flat(values))
    data, training = plan.get("data"), plan.get("training")
    if isinstance(data, Mapping) and data.get("data_fingerprint"):
        values["content of the data"] = str(data["data_fingerprint"])[:12]
    mode = training.get("mode") if isinstance(training, Mapping) else None
    return SweepRun(describe(folder, plan), values, seed, "min" if mode == "min" else "max")

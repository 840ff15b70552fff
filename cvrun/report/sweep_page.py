"""The page about the runs below a folder: the best one, all of them as a table, and what the score depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from cvrun.report.page import Cell, Html, Section, folded, link, page, paragraph, side_by_side, table
from cvrun.report.parallel import Axis, parallel_coordinates, score_against
from cvrun.report.picking import picked
from cvrun.report.seeds import FEWEST
from cvrun.report.summary import between, number
from cvrun.report.sweep import Sweep, SweepRun, shown

_MOST_COLUMNS = 12
_MOST_AXES = 7
_ABSENT = "-"
"""Of a key that the options of a run do not have."""


def sweep_page(sweep: Sweep, made: str, pages: Mapping[str, str] = MappingProxyType({})) -> str:
    """Give the page as HTML.

    Args:
        sweep: The runs.
        made: With what and when, for its end.
        pages: Path of a run -> where its own page lies, from this one on.
    """
    lead = [paragraph(line, "lead" if i == 0 else "") for i, line in enumerate(outcome(sweep))]
    sections = [_runs(sweep, pages), _seeds(sweep), _figures(sweep), _test_sets(sweep), _common(sweep)]
    return page(f"Runs below {sweep.folder}", lead, sections, made)


def outcome(sweep: Sweep) -> list[str]:
    """Give what was found in sentences: how many runs in which state, the best one, and how far it is to be trusted."""
    states = ", ".join(f"{count:,} {state}" for state, count in sorted(sweep.states.items()))
    lines = [f"{len(sweep.runs):,} runs: {states}." if sweep.runs else "There are no runs."]
    ranked, groups = sweep.ranked, sweep.groups()
    if ranked:
        best = ranked[0]
        lines[0] += f" The best is {best.label}, {sweep.monitor} {number(best.score)}."
        ties = sum(run.score == best.score for run in ranked) - 1
        lines[0] += f" {ties:,} more with the same score." if ties else ""
        lines += picked(sweep)
    repeated = [group for group in groups if group.sd is not None]
    if len(repeated) > 1:
        first = repeated[0]
        how = f"n = {len(first.runs):,}, sd {number(first.sd)}, 95% interval {between(first.spread.interval)}"
        said = f"The best mean over seeds is {number(first.mean)} ({how}): "
        lines.append(f"{said}{setting_of(sweep, first.runs[0])}.")
    if sweep.others:
        lines.append(f"{sweep.others:,} finished runs were scored by another metric and are in the table alone.")
    if sweep.aside:
        lines.append(f"{sweep.aside:,} runs that a later one has put aside, or that are copies, are left out.")
    return lines


def setting_of(sweep: Sweep, run: SweepRun) -> str:
    """Give what a run has of what varies, in words."""
    said = [f"{key}={shown(run.values[key])}" for key in sweep.varying if key in run.values]
    return " ".join(said) or "all runs have the same"


def _runs(sweep: Sweep, pages: Mapping[str, str]) -> Section:
    keys = sweep.varying[:_MOST_COLUMNS]
    several = len({str(run.facts["monitor"]) for run in sweep.runs if run.counts}) > 1
    columns = ["run", "state", "score", *(["metric"] if several else []), *keys, "seed", "epochs", "seconds"]
    rows: list[list[Cell]] = []
    for run in sweep.runs:
        facts = run.facts
        metric = [str(facts["monitor"])] if several else []
        values = [shown(run.values[key]) if key in run.values else _ABSENT for key in keys]
        seed = _ABSENT if run.seed is None else shown(run.seed)
        end = [seed, f"{facts['epochs']:.1f}", f"{facts['seconds']:.1f}"]
        address = pages.get(str(facts["path"]))
        name: Cell = run.label if address is None else link(address, run.label)
        rows.append([name, str(facts["state"]), number(run.score), *metric, *values, *end])
    right = {2, *range(3 + several, len(columns))}
    body = [table(f"Runs by {sweep.monitor or 'score'}, the best first", columns, rows, right, sortable=True)]
    if len(sweep.varying) > len(keys):
        more = ", ".join(sweep.varying[_MOST_COLUMNS:])
        body.append(paragraph(f"These vary too, and have no column: {more}.", "quiet"))
    said = "A click on a heading sorts the table, once more the other way; a dash is what a run does not have. "
    said += "The name of a run that has a report of its own leads there." if pages else ""
    return Section("runs", "The runs", [*body, paragraph(said, "quiet")])


def _seeds(sweep: Sweep) -> Section:
    groups = sweep.groups()
    if not any(group.sd is not None for group in groups):
        said = "No two finished runs differ in the seed alone, so what the seed changes is not known."
        return Section("seeds", "Seeds", [paragraph(said, "note")])
    rows = [
        [
            setting_of(sweep, group.runs[0]),
            f"{len(group.runs):,}",
            number(group.mean),
            number(group.sd),
            between(group.spread.interval),
            *(number(run.score) for run in (group.runs[-1], group.runs[0])),
        ]
        for group in groups
    ]
    columns = ["setting", "n", "mean", "sd", "95% interval", "worst", "best"]
    caption = f"{sweep.monitor} of runs that differ in the seed alone"
    note = "sd is that of a sample (n - 1), the interval Student's for the mean over other seeds, on the same images. "
    body = [table(caption, columns, rows, range(1, 7), sortable=True)]
    body.append(paragraph(f"{note}A difference of means well below sd is no difference.", "quiet"))
    if scarce := sum(group.spread.n < FEWEST for group in groups):
        said = f"{scarce:,} of {len(groups):,} settings have fewer than {FEWEST} seeds: their spread is hardly known."
        body.append(paragraph(said, "note"))
    return Section("seeds", "Seeds", body)


def _figures(sweep: Sweep) -> Section:
    ranked = sweep.ranked
    score = Axis(sweep.monitor, [run.score for run in ranked])
    axes = _axes(sweep, ranked)
    if len(ranked) < 2 or not axes:
        said = "There are figures where at least two finished runs differ in something but the seed."
        return Section("score", "What the score depends on", [paragraph(said)])
    first = axes[:_MOST_AXES]
    kept = [i for i in range(len(ranked)) if all(axis.values[i] is not _ABSENT for axis in first)]
    body = []
    if len(kept) > 1 and 0 in kept:
        chosen = [Axis(axis.name, [axis.values[i] for i in kept]) for axis in (*first, score)]
        body.append(parallel_coordinates("Parallel coordinates: a line for each run", chosen, kept.index(0)))
        said = f"{len(kept):,} of {len(ranked):,} finished runs, the others lack one of the keys. "
        said = said if len(kept) < len(ranked) else ""
        body.append(paragraph(f"{said}The best run is dashed, with squares.", "quiet"))
    small = []
    for n, axis in enumerate(axes[:_MOST_COLUMNS]):
        has = [i for i in range(len(ranked)) if axis.values[i] is not _ABSENT]
        points = Axis(axis.name, [axis.values[i] for i in has]), Axis(score.name, [score.values[i] for i in has])
        # The square is the best of those that have the key.
        small.append(score_against(f"against-{n}", *points, 0))
    note = (
        "A key can look as if it mattered because another one went along with it: these are no experiments of one key."
    )
    return Section("score", "What the score depends on", [*body, side_by_side(small), paragraph(note, "quiet")])


def _axes(sweep: Sweep, ranked: Sequence[SweepRun]) -> list[Axis]:
    """Give the keys of which the ranked runs have several values."""
    axes = [Axis(key, [run.values.get(key, _ABSENT) for run in ranked]) for key in sweep.varying]
    return [axis for axis in axes if len({shown(v) for v in axis.values if v is not _ABSENT}) > 1]


def _test_sets(sweep: Sweep) -> Section:
    lines = [paragraph(f"{line}.") for line in sweep.openings]
    return Section("test", "Test sets", lines or [paragraph("No test set has been opened.")])


def _common(sweep: Sweep) -> Section:
    runs = sweep.runs
    shared = {
        key: shown(value)
        for key, value in (runs[0].values.items() if runs else ())
        if key not in sweep.varying and all(key in run.values for run in runs)
    }
    body: list[Html] = [paragraph("What differs is in the table of the runs.")]
    if shared:
        rows = [[key, value] for key, value in shared.items()]
        body.append(folded(f"{len(rows):,} keys", [table("Keys of all runs", ["key", "value"], rows)]))
    return Section("common", "What all runs have in common", body)

"""The page about one run: the question, the answer and how sure it is, and all that a reviewer asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cvrun.report.page import Html, Section, code_block, folded, page, paragraph, table
from cvrun.report.run_cost import cost
from cvrun.report.run_data import data
from cvrun.report.run_decision import decision
from cvrun.report.run_errors import errors
from cvrun.report.run_record import RunRecord
from cvrun.report.run_results import opened, results
from cvrun.report.run_slices import slices
from cvrun.report.run_training import fit, training
from cvrun.report.score import interval_of
from cvrun.report.summary import number


def run_page(record: RunRecord, made: str, more: Sequence[Section] = ()) -> str:
    """Give the page as HTML; made says with what and when, at its end, below the sections of more."""
    sections = [
        _question(record),
        data(record),
        training(record),
        fit(record),
        results(record),
        *opened(record),
        *([] if record.several else [decision(record), slices(record), errors(record)]),
        cost(record),
        _environment(record),
        _disclosure(record),
        _again(record),
        *more,
    ]
    return page(f"Run {record.name}", _lead(record), sections, made)


def _lead(record: RunRecord) -> list[Html]:
    status = record.status
    state = str(status.get("state", "unknown"))
    lead = [paragraph(_answer(record), "lead")]
    if state != "finished":
        said = f"This run is not finished: {state} ({status.get('reason', 'no reason is known')})."
        lead.append(paragraph(f"{said} The numbers are those of what is there.", "note"))
    return lead


def _answer(record: RunRecord) -> str:
    score = record.status.get("score")
    if type(score) not in (int, float):
        return "No score yet."
    interval = interval_of(record, "val", record.monitor.removeprefix("val/"))
    sure = f" (95% interval {interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
    step = record.status.get("best_step") or 0
    return f"{record.monitor} {number(float(score or 0))}{sure}, weights of step {step:,}."


def _question(record: RunRecord) -> Section:
    training_plan = record.part("training")
    counts = record.part("data", "counts")
    val = counts.get("val")
    images = f"{sum(val):,}" if isinstance(val, list) else "-"
    overrides = record.plan.get("overrides")
    said = [str(each) for each in overrides] if isinstance(overrides, list) else []
    rows = [
        ["experiment", str(record.plan.get("name", "-"))],
        ["differs from it by", " ".join(said) or ("nothing" if record.plan else "not known")],
        ["monitored metric", f"{record.monitor or '-'}, {training_plan.get('mode', '-')}"],
        ["validation images", images],
        ["score", _answer(record)],
    ]
    asked = f"How well does the model of {record.plan.get('name', 'this run')} do on images that it was not trained on"
    note = "The score is that of the best of several evaluations on the same images, so it is a little too good; "
    if record.part("soup"):
        note = "The weights are a mean of those of runs that were evaluated on the same images, so the score may be a "
        note += "little too good; "
    note += "a test set that is opened once says how good the model is."
    body = [paragraph(f"{asked}, by {record.monitor or 'its metrics'}?"), table("The run", ["what", "value"], rows)]
    return Section("question", "The question", [*body, paragraph(note, "quiet")])


def _environment(record: RunRecord) -> Section:
    rows = [[str(key), str(value)] for key, value in record.part("environment").items()]
    rows.append(["code", str(record.plan.get("code", "-"))])
    rows.append(["precision", _reasoned(record.part("training"), record.plan)])
    return Section("environment", "Environment", [table("Where it ran", ["what", "value"], rows)])


def _reasoned(training_plan: Mapping[str, object], plan: Mapping[str, object]) -> str:
    reason = plan.get("precision_reason")
    return f"{training_plan.get('precision', '-')}" + (f" ({reason})" if reason else "")


def _disclosure(record: RunRecord) -> Section:
    line = record.part("imbalance").get("line")
    if not record.plan:
        said = "Imbalance, test part and warnings of the plan: not known, the run has no plan.yaml that can be read."
        body = [paragraph(said, "note")]
    else:
        body = [paragraph(f"Imbalance: {line or 'nothing was resampled or weighted.'}")]
    body += [paragraph(f"Test set: {each}.") for each in record.openings]
    if not record.openings and record.plan:
        body.append(paragraph("The run has no test part."))
    if record.warnings:
        body += [paragraph("Warnings:"), code_block("\n".join(record.warnings))]
    elif record.plan:
        body.append(paragraph("There were no warnings."))
    return Section("disclosure", "Disclosure", body)


def _again(record: RunRecord) -> Section:
    seed = record.part("training").get("seed", "-")
    does = "trains the run again in another folder and compares the bits"
    if record.again[0].startswith("cvrun soup "):
        does = "averages the same weights, where that is not done yet"
    said = f"Code {record.plan.get('code', '-')}, seed {seed}. The first command {does}; the second measures the "
    said += "saved weights again."
    body = [paragraph(said), code_block("\n".join(record.again))]
    if record.spec:
        body.append(folded("spec.yaml: the whole configuration", [code_block(record.spec)]))
    return Section("reproduce", "How to reproduce it", body)

"""docs/benchmarks.md out of the results."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from contenders import CONTENDERS
from figures import drift, good, ratios, row_of, spread, table
from goals import goals

HEAD = """\
# Benchmarks

Written by `python benchmarks/run.py --page` from the results of `make bench`; not edited by hand.

Every contender is a process of its own; contenders take turns, round after round. Medians, with the range in brackets;
ratios are taken within a round. Images/s are of training alone, without the first epoch; the whole process counts
everything from its start to its end, imports included. Threads, batch, epochs, network, optimizer (SGD with Nesterov
momentum, constant rate), random changes, files and evaluations are the same for all; peers get the number of worker
processes, 0 to 2, with which they are fastest (timm and Ultralytics: in each workload; the others: in the first with
the same data). "Best" rows have the best public flags of that program, which a table
below lists. Memory is the proportional set size of a process with its workers: their own pages, and with mapped files
(libraries, cvrun's store).
"""


def page(results: dict, gpu: dict | None = None) -> str:
    """Give the page in Markdown."""
    suites = results["suites"]
    parts = [
        HEAD.splitlines(),
        _machine(suites),
        ["## Goals", "", *_goals(suites, gpu)],
        *(_training(one) for one in suites.get("training", {}).get("workloads", ())),
        _flags(suites.get("training")),
        _tuned(suites.get("tuned")),
        _input(suites.get("input")),
        _growth(suites.get("growth")),
        _parity(suites.get("parity")),
        _gpu(gpu),
        _scripts(suites.get("micro")),
    ]
    return "\n\n".join("\n".join(part).strip() for part in parts if part) + "\n"


def _machine(suites: dict) -> list[str]:
    lines, seen = ["## Machine and versions", ""], []
    for name, suite in suites.items():
        about = suite["about"]
        quick = ", in a quick run that measures nothing" if suite["config"]["quick"] else ""
        seen.append(f"- {name}: {about['time']}, commit {about['commit']}{' with changes' if about['dirty'] else ''}, ")
        seen[-1] += f"{suite['config']['rounds']} rounds, {about['seconds'] / 60:.1f} minutes, "
        seen[-1] += f"load {about['load_before']:.1f} before{quick}"
    about = next(iter(suites.values()))["about"] if suites else None
    if about is None:
        return [*lines, "Nothing was measured yet."]
    flags = f" ({', '.join(about['cpu_flags'])})" if about["cpu_flags"] else ""
    lines.append(f"{about['cpu']}{flags}, {about['cores']} cores, {about['threads']} threads, ")
    lines[-1] += f"{about['memory_gib']} GiB; {about['system']}; Python {about['python']}; "
    lines[-1] += ", ".join(f"{name} {version}" for name, version in about["versions"].items()) + "."
    return [*lines, "", *seen]


def _goals(suites: dict, gpu: dict | None) -> Iterator[str]:
    rows = [(goal.what, goal.goal, goal.measured, f"**{goal.verdict}**") for goal in goals(suites, gpu)]
    yield from table(("what", "goal", "measured", ""), rows)


def _training(one: dict) -> list[str]:
    w, rows = one["workload"], one["rows"]
    about = f"{w['model']}, {w['train']:,} images of {w['size']} pixels, batch {w['batch']}, {w['epochs']} epochs."
    ours, lines = row_of(rows, "cvrun"), []
    for row in rows:
        if not (rounds := good(row)):
            continue
        faster = spread(ratios(ours, row, "rate"), 2, "x") if row is not ours else "1"
        sooner = spread(ratios(row, ours, "wall"), 2, "x") if row is not ours else "1"
        scores = [one["accuracy"] for one in rounds]
        label = f"{row['label']} ({row['workers']} workers)" if _loads(row["label"]) else row["label"]
        memory = [statistics.median(one[key] for one in rounds) for key in ("own", "total")]
        rate, wall = ([one[key] for one in rounds] for key in ("rate", "wall"))
        cells = (label, spread(rate), faster, spread(wall, 1), sooner, f"{memory[0]:,.0f} / {memory[1]:,.0f}")
        lines.append((*cells, f"{statistics.mean(scores):.3f}"))
    head = ("", "images/s", "cvrun is faster by", "whole process, s", "sooner by", "peak MiB, own / mapped", "accuracy")
    text = [f"## {w['name']}", "", about, "", *table(head, lines)]
    text += ["", f"Equal contenders differ by {drift(rows):.1%} in images/s and {drift(rows, 'wall'):.1%} in time."]
    return [*text, *(f"\nLeft out: {line}" for line in one["skipped"])]


def _loads(label: str) -> bool:
    return any(c.loads for c in CONTENDERS if c.label == label)


def _flags(training: dict | None) -> list[str]:
    if not training:
        return []
    return ["## Flags", "", *table(("contender", "how it runs"), [(c.label, c.says) for c in CONTENDERS])]


def _tuned(suite: dict | None) -> list[str]:
    lines = []
    for row in (suite or {}).get("rows", ()):
        if "failed" in row:
            lines.append((row["workload"]["name"], row["failed"], "-", "-", "-"))
            continue
        us = {key: [1e6 * one[key] for one in row["rounds"]] for key in ("bare", "cvrun")}
        extra = [a - b for a, b in zip(us["cvrun"], us["bare"], strict=True)]
        share = [b / a for a, b in zip(us["cvrun"], us["bare"], strict=True)]
        lines.append((row["workload"]["name"], spread(us["bare"]), spread(us["cvrun"]), spread(extra)))
        control = [one["bare"] / one["bare again"] for one in row["rounds"]]
        lines[-1] += (spread(share, 3), spread(control, 3))
    head = ("", "hand-tuned loop, us a step", "cvrun, us a step", "extra, us", "share of its images/s", "control")
    return ["## Trainer against a hand-tuned loop over the same pipeline", "", *table(head, lines)] if lines else []


def _input(suite: dict | None) -> list[str]:
    lines = []
    for row in (suite or {}).get("rows", ()):
        if "failed" in row:
            lines.append((row["case"], row["failed"], "-", "-"))
            continue
        rates = [[one[key] for one in row["rounds"]] for key in ("cvrun", "pillow")]
        ratio = [a / b for a, b in zip(*rates, strict=True)]
        lines.append((row["case"], spread(rates[0]), spread(rates[1]), spread(ratio, 1, "x")))
    head = ("", "cvrun, images/s", "PIL + torchvision, images/s", "ratio")
    return ["## Input alone, one core", "", *table(head, lines)] if lines else []


def _growth(suite: dict | None) -> list[str]:
    lines = []
    for row in (suite or {}).get("rows", ()):
        rounds = good(row)
        us = [1e6 / one["rate"] for one in rounds]
        memory = [[one[key] for one in rounds] for key in ("own", "total")]
        lines.append((row["label"], f"{row['images']:,}", spread(us, 1), spread(memory[0]), spread(memory[1])))
    head = ("", "images", "us an image", "peak MiB, own", "peak MiB, with mapped files")
    return ["## As data grows", "", *table(head, lines)] if lines else []


def _parity(suite: dict | None) -> list[str]:
    rows = [(row["label"], [one["accuracy"] for one in good(row)]) for row in (suite or {}).get("rows", ())]
    lines = [
        (label, f"{statistics.mean(scores):.4f}", f"{statistics.stdev(scores):.4f}", str(len(scores)))
        for label, scores in rows
        if len(scores) > 1
    ]
    head = ("", "mean accuracy", "standard deviation", "seeds")
    return ["## Accuracy over seeds", "", *table(head, lines)] if lines else []


def _gpu(found: dict | None) -> list[str]:
    if not found:
        return ["## GPU", "", "Not measured here: no GPU. `python benchmarks/gpu.py` does it where there is one."]
    lines = []
    for name, model in found["models"].items():
        rates = [[one[key] for one in model["rounds"]] for key in ("cvrun", "synthetic")]
        ratio = [a / b for a, b in zip(*rates, strict=True)]
        waits = f"{sum(model['waits'].values()) / 10:.1f}"
        lines.append((name, str(model["batch"]), spread(rates[0]), spread(rates[1]), spread(ratio, 3), waits))
    head = ("", "batch", "cvrun from JPEG files, images/s", "synthetic on the device", "share", "waits a step")
    kept, fresh = (found["input"][cache]["rate"] for cache in ("ram", "off"))
    bound = f"Bound by the input (resnet18): {kept:,.0f} images/s from the store, {fresh:,.0f} decoding as needed."
    return ["## GPU", "", f"{found['device']}, torch {found['torch']}.", "", *table(head, lines), "", bound]


def _scripts(suite: dict | None) -> list[str]:
    text: list[str] = []
    for one in (suite or {}).get("scripts", ()):
        text += ["", f"### {one['name']}.py", "", one["about"], "", "```text", *one["text"].strip().splitlines(), "```"]
    return ["## Smaller benchmarks", *text] if text else []

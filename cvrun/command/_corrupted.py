"""How a model stands corrupted images: what `cvrun eval --corrupt` measures beside the images as they are."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from cvrun import bootstrap
from cvrun.command._intervals import clusters_of, says_something, too_slow
from cvrun.command._measured import Images, Measured, Ready, decoded
from cvrun.corruption import NAMES, SEVERITIES, corrupt, parameter
from cvrun.errors import ConfigError, did_you_mean
from cvrun.images import evaluated
from cvrun.metric import Metric, Prediction
from cvrun.pipeline import Batch
from cvrun.pipeline import Images as Pixels
from cvrun.pipeline.loader import evaluation_batches
from cvrun.report.summary import between, number
from cvrun.report.tables import text_table
from cvrun.trainer.evaluate import evaluate

USUAL = (1, 3, 5)
"""Severities where none is named."""

_PARAMETER = {
    "blur": "blur, standard deviation [pixels]",
    "noise": "noise, standard deviation (white is 1)",
    "jpeg": "jpeg, quality",
    "brightness": "brightness, what is added (white is 1)",
    "contrast": "contrast, share that is left",
}

Corruption = tuple[str, int]
"""Its name and severity."""


def add_corrupt(parser: argparse.ArgumentParser) -> None:
    """Let a command take --corrupt."""
    about = (
        f"measure corrupted images as well: {', '.join(NAMES)}, in a severity of 1 to 5, or in 1, 3 and 5;"
        " may be given again"
    )
    parser.add_argument(
        "--corrupt", type=_corruptions, action="extend", default=[], metavar="NAME[=SEVERITY]", help=about
    )


def measure_corrupted(run: Ready, images: Images, measured: Measured, wanted: Sequence[Corruption]) -> dict[str, Any]:
    """Give what corruptions cost, without test-time augmentation, as plain values; nothing is saved.

    A drop is how much worse a metric is than on the same images without corruption, negative where it is better; its
    95% interval is that of the bootstrap over these images, or over their groups, each resample counting both alike.

    Args:
        run: The model.
        images: What it was measured on.
        measured: What was found.
        wanted: Which corruptions; one that comes again counts once.

    Returns:
        `unit`, `units`, `resamples` and `confidence` of the intervals; `slow`, metrics without one for its time;
        `clean`, metric -> value: of the run's monitor and of accuracy (of labels, subset_accuracy); and `rows`, for
        each corruption its name, severity, parameter, and `metrics`: metric -> value, drop, interval (None: none),
        whether it is one of percentiles, and how many resamples had no value.
    """
    wanted = list(dict.fromkeys(wanted))
    clean, metrics = measured.plain.prediction, _shown(run, measured.plain.prediction)
    there = evaluated(decoded(run, images) if images.decoded is None else images.decoded, run.trained.device)
    found = {each: _predicted(run, there, each) for each in wanted}
    count = measured.sure["uncertainty"]
    groups = images.manifest.groups
    clusters = None if groups is None else clusters_of([groups[i] for i in images.rows.tolist()])
    size = len(clean.targets), clean.num_classes, 2 * len(wanted) * run.resamples
    slow = [metric.name for metric in metrics if too_slow(metric.name, *size)]
    functions = {
        f"{name}={severity} {metric.name}": _drop(metric, clean, prediction)
        for (name, severity), prediction in found.items()
        for metric in metrics
        if metric.name not in slow and run.resamples and count["units"] > 1
    }
    drawn = bootstrap.intervals(functions, len(clean.targets), run.resamples, clusters=clusters)
    rows = [
        {
            "corruption": name,
            "severity": severity,
            "parameter": parameter(name, severity, run.trained.form.size),
            "metrics": {m.name: _row(m, clean, prediction, drawn.get(f"{name}={severity} {m.name}")) for m in metrics},
        }
        for (name, severity), prediction in found.items()
    ]
    how = {name: count[name] for name in ("confidence", "unit", "units", "resamples")}
    return {**how, "slow": slow, "clean": {m.name: m.compute(clean) for m in metrics}, "rows": rows}


def corrupted_text(found: dict[str, Any], part: str) -> str:
    """Give what measure_corrupted found for a person: a table for each metric, and how the intervals came about."""
    text = ""
    for name, clean in found["clean"].items():
        rows = [["none", "-", "-", number(clean), "-", "-"]]
        for row in found["rows"]:
            cell = row["metrics"][name]
            values = number(cell["value"]), number(cell["drop"]), between(cell["interval"])
            rows.append([row["corruption"], str(row["severity"]), f"{row['parameter']:.3g}", *values])
        columns = ["corruption", "severity", "parameter", "value", "drop", "95% interval"]
        text += f"\n{part}/{name} of corrupted images\n\n" + text_table(columns, rows, right=(1, 2, 3, 4, 5))
    cells = [cell for row in found["rows"] for cell in row["metrics"].values()]
    shown = dict.fromkeys(row["corruption"] for row in found["rows"])
    lines = textwrap.wrap("parameter: " + "; ".join(_PARAMETER[name] for name in shown), 80)
    lines.append("drop: how much worse than on the same images without corruption")
    if found["resamples"]:
        units = f"{found['units']:,} {found['unit']}{'' if found['units'] == 1 else 's'}"
        lines.append(f"95% intervals, paired over {units}: BCa from {found['resamples']:,} resamples")
    if plain := sum(cell["percentile"] for cell in cells):
        lines.append(f"{plain:,} of them of percentiles, as there is no BCa interval")
    if found["slow"]:
        lines.append(f"of {', '.join(found['slow'])} none, it would take minutes; fewer --resamples give them")
    if undefined := max(cell["undefined"] for cell in cells):
        lines.append(f"resamples without a value, left out: at most {undefined:,}")
    return text + "".join(f"{line}\n" for line in lines)


def _shown(run: Ready, prediction: Prediction) -> list[Metric]:
    monitor = run.prepared.plan.training.monitor.rpartition("/")[2]
    names = dict.fromkeys((monitor, "subset_accuracy" if prediction.several else "accuracy"))
    known = {metric.name: metric for metric in run.prepared.plan.metrics}
    return [known[name] for name in names]


def _predicted(run: Ready, there: Pixels, corruption: Corruption) -> Prediction:
    spec, trained = run.prepared.plan.spec, run.trained
    ahead = spec.settings.num_workers, spec.settings.worker_timeout
    batches = evaluation_batches(there, lambda image: image, spec.trainer.eval_batch_size, trained.device, *ahead)

    def corrupted() -> Iterator[Batch]:
        for batch in batches():
            image = trained.normalize(corrupt(batch.image, batch.index, *corruption))
            yield Batch(image, batch.target, batch.index)

    return evaluate(trained.model, run.task, corrupted(), trained.autocast).prediction


def _drop(metric: Metric, clean: Prediction, corrupted: Prediction) -> bootstrap.Function:
    worse = 1.0 if metric.mode == "max" else -1.0
    return lambda weights: worse * (metric.values(clean, weights) - metric.values(corrupted, weights))


def _row(metric: Metric, clean: Prediction, corrupted: Prediction, ends: bootstrap.Interval | None) -> dict[str, Any]:
    # Plus 0, or no drop of a loss would be printed as -0.0000.
    drop = float(_drop(metric, clean, corrupted)(clean.once)[0]) + 0.0
    known = ends is not None and says_something(ends) and drop == drop
    return {
        "value": metric.compute(corrupted),
        "drop": drop,
        "interval": [ends.low, ends.high] if ends is not None and known else None,
        "percentile": bool(ends is not None and known and not ends.corrected),
        "undefined": ends.undefined if ends is not None else 0,
    }


def _corruptions(word: str) -> list[Corruption]:
    name, sign, severity = word.partition("=")
    if name not in NAMES:
        raise ConfigError(f"--corrupt {word}: expected one of {', '.join(NAMES)}", did_you_mean(name, NAMES))
    if not sign:
        return [(name, usual) for usual in USUAL]
    if severity not in map(str, SEVERITIES):
        raise ConfigError(f"--corrupt {word}: expected a severity from 1 to 5", f"{name} alone means 1, 3 and 5")
    return [(name, int(severity))]

"""What a run took: wall time by what it went into, and memory at its peak."""

from __future__ import annotations

from typing import Any

from cvrun.report.page import Html, Section, paragraph, table
from cvrun.report.run_record import RunRecord

_PHASES = {
    "preprocess": "preprocess: list, check and decode the images",
    "model": "model: build it and its weights",
    "train": "train: steps, with reading, augmentation and saving",
    "evaluate": "evaluate: passes over the validation images",
    "earlier": "earlier processes, not told apart",
}
_MIB = 1 << 20


def cost(record: RunRecord) -> Section:
    """Give the section; what a run has not recorded is said to be unknown."""
    found = costs(record)
    plan, model = record.part("training"), record.part("model")
    body = [_time(found)]
    rows = [["parameters", _count(model.get("parameters"))], ["steps", _count(record.status.get("step"))]]
    rows += [["epochs", _one(record.status.get("epochs"))], ["images a step", _count(plan.get("batch_size"))]]
    if found["train_images_per_second"] is not None:
        rows.append(["training images a second, evaluations left out", f"{found['train_images_per_second']:,.0f}"])
    for where, said in (("host", "peak memory of the process [MiB]"), ("device", "peak memory on the GPU [MiB]")):
        size = found["peak_memory"].get(where)
        if size is not None:
            rows.append([said, f"{size / _MIB:,.0f}"])
    note = "The start of Python is not in the time. Workers are not in the memory of the process, nor what torch keeps "
    note += "in reserve in that of the GPU."
    if not found["peak_memory"]:
        note = "Peak memory is not recorded by this run."
    return Section(
        "cost", "Time and memory", [*body, table("Size and memory", ["what", "value"], rows, (1,)), _q(note)]
    )


def costs(record: RunRecord) -> dict[str, Any]:
    """Give `seconds` (of all), `spent` (phase -> seconds), hours, gpu_hours, peak_memory [bytes] and images a second.

    spent is empty where the run has not recorded it; the phases sum to seconds. gpu_hours is None on a CPU.
    """
    status, plan = record.status, record.part("training")
    seconds = _number(status.get("seconds"))
    spent = {str(phase): _number(each) or 0.0 for phase, each in _pairs(status.get("spent"))}
    memory = {str(where): int(size) for where, size in _pairs(status.get("peak_memory")) if _number(size) is not None}
    devices = str(record.part("environment").get("devices", "1"))
    gpus = int(devices) if devices.isdecimal() and str(record.plan.get("device", "")).startswith("cuda") else 0
    images = int(_number(status.get("step")) or 0) * int(_number(plan.get("batch_size")) or 0)
    train = spent.get("train", 0.0)
    return {
        "seconds": seconds,
        "spent": spent,
        "hours": None if seconds is None else seconds / 3600,
        "gpu_hours": seconds * gpus / 3600 if gpus and seconds is not None else None,
        "peak_memory": memory,
        # Where part of the time is not told apart, the rate is not known.
        "train_images_per_second": images / train if images and train > 0 and "earlier" not in spent else None,
    }


def _time(found: dict[str, Any]) -> Html:
    seconds, spent = found["seconds"], found["spent"]
    if seconds is None:
        return paragraph("The run says nothing about its time.")
    rows = [[_PHASES.get(phase, phase), *_times(each, seconds)] for phase, each in spent.items()]
    rows.append(["all", *_times(seconds, seconds)])
    if found["gpu_hours"] is not None:
        rows.append(["GPU-hours", "", f"{found['gpu_hours']:.4f}", ""])
    return table("Wall time", ["part", "seconds", "hours", "share"], rows, right=(1, 2, 3))


def _times(seconds: float, total: float) -> list[str]:
    return [f"{seconds:,.1f}", f"{seconds / 3600:.4f}", f"{100 * seconds / total:.1f} %" if total > 0 else "-"]


def _pairs(value: object) -> list[tuple[Any, Any]]:
    return list(value.items()) if isinstance(value, dict) else []


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _count(value: object) -> str:
    return f"{value:,}" if type(value) is int else "-"


def _one(value: object) -> str:
    number = _number(value)
    return "-" if number is None else f"{number:,.1f}"


def _q(value: str) -> Html:
    return paragraph(value, "quiet")

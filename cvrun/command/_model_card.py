"""The card of an exported model: what it is, what it was measured on, and what nobody should expect of it."""

from __future__ import annotations

import json
import string
from typing import Any

from cvrun import __version__
from cvrun.card import Card
from cvrun.command._exported import INPUT, OUTPUT, TOLERANCE, Parity
from cvrun.command._measured import Ready
from cvrun.errors import printable
from cvrun.report.openings import in_words, of_run

_FITS = {
    "stretch": "stretched to a square whatever its aspect ratio",
    "crop": "its shorter side scaled and the centre cut out",
    "pad": "its longer side scaled, with black borders",
}
_PUNCTUATION = set(string.punctuation) - set("/,%=")


def model_card(run: Ready, parity: Parity, name: str, kind: str) -> str:
    """Give the card as Markdown; names and texts from data are inert in it.

    Args:
        run: Whose model it is.
        parity: What the comparison with the run gave.
        name: Of the model's file.
        kind: "onnx" or "torch".
    """
    plan, trained = run.prepared.plan, run.trained
    counts = plan.data.counts
    classes = [f"| {i} | {_inert(c)} | {counts['train'][i]:,} |" for i, c in enumerate(trained.classes)]
    lines = [
        f"# {_inert(plan.spec.settings.name)}, run {trained.meta['run_id']}",
        "",
        f"An image classifier, {len(trained.classes)} classes, written by cvrun {__version__} as `{_code(name)}`.",
        f"Model: {_inert(plan.spec.parts['model'].option)}, {plan.num_parameters:,} trainable numbers;",
        f"{run.checkpoint} weights, after {trained.step:,} of {plan.training.total_steps:,} steps.",
        "",
        "## Classes",
        "",
        "| index | name | training images |",
        "| --- | --- | --- |",
        *classes,
        "",
        *_input(run),
        *_data(run, plan.data.data_fingerprint, plan.data.split_fingerprint, plan.card),
        *_measured(run, parity),
        *_limits(run),
        "## Use",
        "",
        *(_onnx_use(name, trained.form.channels) if kind == "onnx" else _torch_use(name)),
    ]
    return "\n".join(lines) + "\n"


def _input(run: Ready) -> list[str]:
    form = run.trained.form
    colours = {1: "grey", 3: "red, green, blue"}.get(form.channels, f"{form.channels} channels as in training")
    limits = ""
    if form.value_range is not None:
        low, high = form.value_range
        limits = f" Values {low:g} to {high:g} of the files have to become 0 to 255 before."
    return [
        "## Input and output",
        "",
        f"`{INPUT}`: uint8 (B, {form.channels}, height, width), any height, width and B; {colours}; already turned as",
        f"EXIF says.{limits} Inside, an image is {_FITS[form.fit]}, {form.size} x {form.size} pixels, bilinear with",
        f"antialiasing, then normalized ({run.trained.normalize.described()}).",
        f"`{OUTPUT}`: float32 (B, {len(run.trained.classes)}), after the shift to the prior and softmax.",
        "",
    ]


def _data(run: Ready, data: str, split: str, card: Card | None) -> list[str]:
    told = [f"- {_inert(key)}: {_inert(value)}" for key, value in card.values.items()] if card else []
    counts = {part: sum(values) for part, values in run.prepared.plan.data.counts.items()}
    return [
        "## Data",
        "",
        *(told or ["- source, licence and date: not told (the run has no data.card)"]),
        f"- images: {', '.join(f'{part} {count:,}' for part, count in counts.items())}",
        f"- fingerprints: data {_code(data)}, split {_code(split)}",
        "",
    ]


def _measured(run: Ready, parity: Parity) -> list[str]:
    count = sum(run.prepared.plan.data.counts["val"])
    return [
        "## Measured",
        "",
        *_metrics(run, count),
        f"The file against the run, {parity.images:,} validation images: probabilities differ by at most",
        f"{parity.network:.2g} on the same pixels (at most {TOLERANCE:g} is let pass), by at most {parity.whole:.2g}",
        f"where the file resizes; labels differ on {parity.network_labels} and {parity.whole_labels}.",
        "",
        *(f"- {_inert(line)}" for line in in_words(of_run(run.folder)) or ["this run has no test set"]),
        "",
    ]


def _metrics(run: Ready, count: int) -> list[str]:
    """Give what the run measured with these weights, of the validation part."""
    found = _saved(run)
    if not found:
        return ["No metrics of these weights are saved with the run: cvrun eval gives them.", ""]
    rows = [f"| {_inert(key)} | {'undefined' if value is None else f'{value:.4f}'} |" for key, value in found.items()]
    role = ", which chose the weights" if run.checkpoint == "best" else ""
    title = f"On the {count:,} validation images{role}:"
    return [title, "", "| metric | value |", "| --- | --- |", *rows, ""]


def _saved(run: Ready) -> dict[str, float | None]:
    name = "val.json" if run.checkpoint == "best" else "val-last.json"
    try:
        content: Any = json.loads((run.folder.predictions / name).read_text())["metrics"]
        return {str(key): None if value is None else float(value) for key, value in content.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _limits(run: Ready) -> list[str]:
    precision = run.trained.meta["precision"]
    return [
        "## Limits",
        "",
        "- It knows the classes above and no other: every image gets one of them.",
        "- What it does on images from elsewhere (other devices, places, times) has not been measured here.",
        f"- It computes in float32; the run was trained in {_inert(precision)}.",
        "- Test-time augmentation, calibrated temperatures, thresholds and rejection are not in the file.",
        "",
    ]


def _onnx_use(name: str, channels: int) -> list[str]:
    mode = "L" if channels == 1 else "RGB"
    return [
        "```python",
        "import json, numpy as np, onnxruntime",
        "from PIL import Image, ImageOps",
        f"session, labels = onnxruntime.InferenceSession({name!a}), json.load(open({name + '.labels.json'!a}))",
        f"image = ImageOps.exif_transpose(Image.open('image.png')).convert({mode!r})",
        "pixels = np.atleast_3d(np.asarray(image)).transpose(2, 0, 1)[None]",
        f"print(labels[session.run(None, {{'{INPUT}': pixels}})[0][0].argmax()])",
        "```",
    ]


def _torch_use(name: str) -> list[str]:
    return [
        "A .pt2 file may hold code: load it only from somebody you trust. cvrun itself never loads one.",
        "",
        "```python",
        "import torch",
        f"module = torch.export.load({name!a}).module()",
        "probabilities = module(pixels)  # uint8 (B, C, height, width)",
        "```",
    ]


def _inert(text: str) -> str:
    """Give text that Markdown shows as it is: no markup, link, HTML or cell of a table begins in it."""
    return "".join(f"\\{sign}" if sign in _PUNCTUATION else sign for sign in printable(text).replace("\n", " "))


def _code(text: str) -> str:
    return printable(text).replace("`", "'").replace("\n", " ")

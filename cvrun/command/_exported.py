"""A run's model as the content of an ONNX or torch.export file, compared with the run before anything is written."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cvrun import options
from cvrun.command._measured import Ready
from cvrun.data import Manifest
from cvrun.errors import ConfigError, DataError
from cvrun.export import Exported
from cvrun.pipeline.kept import Bounded, Whole
from cvrun.trainer import PLAIN
from cvrun.trainer.evaluate import inference

TOLERANCE = 1e-4
"""Probability by which the file may differ from the run on the same pixels."""

OPSET = 18
INPUT, OUTPUT = "image", "probabilities"
EXAMPLE = (2, 37, 53)
"""Images, height and width with which the model is traced; none of them is fixed by it."""

Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Images (B, C, h, w) of one size -> probabilities (B, K)."""


@dataclass(frozen=True)
class File:
    """An exported model.

    Attributes:
        content: Of the file.
        predict: What it gives, run as a user would run it, on the CPU.
    """

    content: bytes
    predict: Predict


@dataclass(frozen=True)
class Parity:
    """How far a file and its run are apart.

    Attributes:
        images: Validation images that were compared.
        network: Largest difference of a probability on pixels that are already in the form of the data.
        network_labels: Images on which the most probable classes differ there.
        whole: Largest difference on images in their own size, resized by the file and by the run.
        whole_labels: Images on which the most probable classes differ then.
    """

    images: int
    network: float
    network_labels: int
    whole: float
    whole_labels: int


def exported(run: Ready, kind: str) -> File:
    """Give the run's model as a file.

    Args:
        run: On the CPU.
        kind: "onnx" or "torch".

    Raises:
        ConfigError: If packages are missing, or the model has parts that cannot be written.
    """
    trained, task = run.trained, run.prepared.plan.spec.parts["task"].option
    if "labels" in options.targets("task", task):
        message = f"task={task}: has a probability for each label by itself, expected one class an image"
        raise ConfigError(message, "no export knows it yet; cvrun predict RUN does")
    module = Exported(trained.model, trained.form, trained.normalize, trained.prior_shift).eval()
    count, height, width = EXAMPLE
    image = torch.zeros((count, trained.form.channels, height, width), dtype=torch.uint8)
    # Once before it is traced, so that what a normalization keeps are numbers.
    with inference(module):
        module(image)
    each = torch.export.Dim.AUTO
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.export.export(module, (image,), dynamic_shapes=({0: each, 2: each, 3: each},))
    # Whatever a model does that cannot be traced raises what it likes.
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        name = run.prepared.plan.spec.parts["model"].option
        raise ConfigError(f"model={name}: cannot be traced ({reason}), expected a model that can") from error
    facts = {"classes": json.dumps(list(trained.classes)), "run_id": trained.meta["run_id"], "step": str(trained.step)}
    return _onnx(program, facts) if kind == "onnx" else _torch(program, facts)


def compared(run: Ready, file: File, count: int) -> Parity:
    """Give how far a file and its run are apart on count validation images, evenly spaced in their order.

    Raises:
        DataError: If there are none, or one cannot be used.
    """
    rows = run.prepared.split.parts()["val"]
    if len(rows) == 0:
        raise DataError("split: the val part is empty, expected images to compare the file with the run")
    chosen = rows[np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(np.int64))]
    manifest, form = run.prepared.manifest, run.trained.form
    network, whole, labels = 0.0, 0.0, [0, 0]
    for position in chosen.tolist():
        brought = _image(manifest, position, Whole(form))
        with inference(run.trained.model):
            pixels = run.trained.normalize(torch.from_numpy(brought))
            want = run.task.predict(run.trained.model, pixels, PLAIN).numpy()
        own = _image(manifest, position, Bounded(form.channels, 0, form.value_range))
        near, far = file.predict(brought), file.predict(own)
        network, whole = max(network, _apart(near, want)), max(whole, _apart(far, want))
        labels[0] += int(near.argmax() != want.argmax())
        labels[1] += int(far.argmax() != want.argmax())
    return Parity(len(chosen), network, labels[0], whole, labels[1])


def _apart(found: NDArray[np.float32], want: NDArray[np.float32]) -> float:
    difference = float(np.abs(found - want).max())
    # A comparison with NaN is False, which would pass.
    return difference if np.isfinite(difference) else float("inf")


def _image(manifest: Manifest, position: int, kept: Whole | Bounded) -> NDArray[np.uint8]:
    return np.ascontiguousarray(kept.decode(manifest, position).pixels.transpose(2, 0, 1)[None])


def _onnx(program: torch.export.ExportedProgram, facts: dict[str, str]) -> File:
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        message = f"--format onnx: needs {error.name}, which is not installed"
        raise ConfigError(message, "pip install 'cvrun[onnx]'") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made: Any = torch.onnx.export(
                program, (), dynamo=True, opset_version=OPSET, verbose=False, input_names=[INPUT], output_names=[OUTPUT]
            )
        model = made.model_proto
        onnx.helper.set_model_props(model, facts)
        content: bytes = model.SerializeToString()
        onnx.checker.check_model(content, full_check=True)
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    # What an operator that is missing raises depends on which of three packages misses it.
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(f"--format onnx: the model cannot be written ({reason})", "try --format torch") from error
    return File(content, lambda image: np.asarray(session.run([OUTPUT], {INPUT: image})[0], dtype=np.float32))


def _torch(program: torch.export.ExportedProgram, facts: dict[str, str]) -> File:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(program, buffer, extra_files={f"{name}.txt": text for name, text in facts.items()})
    module = program.module()

    def predict(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.no_grad():
            return np.asarray(module(torch.from_numpy(image)).numpy(), dtype=np.float32)

    return File(buffer.getvalue(), predict)

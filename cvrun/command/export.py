"""Write a run's model as one file for other programs: `cvrun export RUN --format onnx --output FILE.onnx`."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from cvrun.command._arguments import parser_of
from cvrun.command._exported import TOLERANCE, Parity, compared, exported
from cvrun.command._measured import ready
from cvrun.command._model_card import model_card
from cvrun.command._output import show
from cvrun.errors import CheckpointError, ConfigError, printable
from cvrun.folder import write_atomic
from cvrun.keys import RESUME_KEYS
from cvrun.warned import hearing

SUFFIX = {"onnx": ".onnx", "torch": ".pt2"}

_ABOUT = f"""{__doc__} Inside are resizing, cropping or padding, normalization, model, prior and softmax: it takes
upright images of one size, whatever it is, as uint8 (B, C, height, width), and gives probabilities. Beside it go
FILE.labels.json and a model card, FILE.md. Nothing is written unless it gives what the run gives, to {TOLERANCE:g}, on
validation images."""


def run(arguments: list[str]) -> int:
    """Write the model, its labels and its card, once the model gives what the run gives; give the exit code.

    Raises:
        CheckpointError: If it does not.
    """
    given = _parser().parse_args(arguments)
    if given.images < 1:
        raise ConfigError(f"--images {given.images}: expected at least 1")
    output: Path = given.output or Path(f"{given.run.resolve().name}{SUFFIX[given.format]}")
    labels, card = (output.with_name(f"{output.name}{suffix}") for suffix in (".labels.json", ".md"))
    for path in (output, labels, card):
        if os.path.lexists(path) and not given.force:
            raise ConfigError(f"--output {output}: {path.name} exists, expected a new file", "--force replaces it")
    # What is written is for no device, so it is compared on the one that all have.
    given.overrides, given.tta = [*given.set, "device=cpu"], "none"
    given.no_decision, given.resamples = True, 0
    with hearing() as warned:
        loaded = ready(given)
        warned.strict = loaded.prepared.plan.spec.settings.strict_warnings
        file = exported(loaded, given.format)
        parity = compared(loaded, file, given.images)
    warned.require_none()
    _require_equal(parity)
    names = json.dumps(list(loaded.trained.classes), indent=2).encode() + b"\n"
    text = model_card(loaded, parity, output.name, given.format).encode(errors="backslashreplace")
    # The model last, so that it never lies there without what belongs to it.
    for path, content in ((labels, names), (card, text), (output, file.content)):
        write_atomic(path, content)
    size = f"{len(file.content) / 1e6:,.1f} MB"
    show(f"{printable(f'{output}: {given.format}, {size}')}\n{in_words(parity)}\n", kept=output)
    return 0


def in_words(parity: Parity) -> str:
    """Give what was compared, for a person."""
    return (
        f"on {parity.images:,} validation images: probabilities differ by at most {parity.network:.2g} on the same "
        f"pixels, by at most {parity.whole:.2g} where the file resizes; labels differ on {parity.network_labels} and "
        f"{parity.whole_labels}"
    )


def _require_equal(parity: Parity) -> None:
    if parity.network > TOLERANCE or parity.network_labels:
        message = f"export: {in_words(parity)}, expected at most {TOLERANCE:g} and equal labels on the same pixels"
        raise CheckpointError(message, "nothing is written")


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("export", _ABOUT)
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument("--format", choices=tuple(SUFFIX), default="onnx", help="default: onnx; torch: torch.export")
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: RUN's name in the current folder")
    parser.add_argument("--force", action="store_true", help="replace files that exist")
    parser.add_argument("--images", type=int, default=256, metavar="N", help="validation images; default: 256")
    parser.add_argument("--checkpoint", choices=("best", "last"), default="best", help="default: best")
    keys = ", ".join(key for key in RESUME_KEYS if key != "device")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=f"one of {keys}")
    return parser

"""Evaluate a run's model: `cvrun eval outputs/digits/3fa9c1d2 --split val`."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace

from cvrun.command._arguments import parser_of
from cvrun.command._closer import asked
from cvrun.command._corrupted import add_corrupt, corrupted_text, measure_corrupted
from cvrun.command._measured import Images, add_arguments, content, decoded, measure, ready, text
from cvrun.command._output import show
from cvrun.errors import ConfigError
from cvrun.folder import finite
from cvrun.report.openings import below, in_words, of_run, own_part
from cvrun.warned import hearing


def run(arguments: list[str]) -> int:
    """Print the metrics of a split, and save its predictions beside the run; give the exit code."""
    given = _parser().parse_intermixed_args(arguments)
    with hearing() as warned:
        loaded = ready(given)
        opened = of_run(loaded.folder)
        prepared = loaded.prepared
        warned.strict = prepared.plan.spec.settings.strict_warnings
        images = Images(given.split, given.split, prepared.manifest, prepared.split.parts()[given.split])
        wanted = asked(given, images.manifest, loaded.trained.classes)
        if given.corrupt:
            images = replace(images, decoded=decoded(loaded, images))
        measured = measure(loaded, images, wanted)
        corrupted = measure_corrupted(loaded, images, measured, given.corrupt) if given.corrupt else None
    warned.require_none()
    if given.json:
        more = {} if corrupted is None else {"corrupted": corrupted}
        found = {**content(loaded, images, measured), **more, **own_part(opened)}
        show(json.dumps(finite(found), indent=2) + "\n")
    else:
        more_text = "" if corrupted is None else corrupted_text(corrupted, images.part)
        show(text(loaded, images, measured) + more_text + below(in_words(opened)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("eval", __doc__)
    add_arguments(parser)
    add_corrupt(parser)
    parser.add_argument("--split", type=_part, choices=("train", "val"), default="val", help="default: val")
    return parser


def _part(word: str) -> str:
    if word == "test":
        raise ConfigError(
            "--split test: the test part is sealed, expected train or val", "cvrun test RUN --unseal opens it"
        )
    return word

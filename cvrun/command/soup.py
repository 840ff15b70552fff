"""Average the weights of runs, or of the last states of one: `cvrun soup RUN RUN ...` or `cvrun soup RUN --last 5`."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cvrun import __version__
from cvrun.command import _soup_folder
from cvrun.command._arguments import parser_of
from cvrun.command._ingredients import Ingredient, best_of, last_of, same_start
from cvrun.command._measured import Ready, ready
from cvrun.command._output import show
from cvrun.command._run_folder import existing
from cvrun.command._souped import Souped, souped
from cvrun.errors import ConfigError
from cvrun.folder import RunFolder, finite
from cvrun.keys import RESUME_KEYS
from cvrun.report.soup import soup_text
from cvrun.trainer.digest import digest
from cvrun.warned import hearing

UNIFORM, GREEDY = "uniform", "greedy"

_ABOUT = f"""{__doc__} What it writes is used as a run by all commands but resume. Statistics of BatchNorm are estimated
anew on the training images, without augmentation. Runs from different initial weights do not average well: start them
from one file, model.weights=FILE."""


def run(arguments: list[str]) -> int:
    """Write a soup and print the scores of its members and its own; give the exit code.

    Raises:
        ConfigError: If the words contradict each other, or the output holds something else.
        CvrunError: If a run cannot be used, or the runs do not belong together.
    """
    given = _parser().parse_args(arguments)
    kind = GREEDY if given.greedy else UNIFORM
    began = time.monotonic()
    with hearing() as warned:
        loaded, ingredients = _loaded(given)
        identity = _soup_folder.soup_id(ingredients, kind)
        folder = _soup_folder.place(given.output, loaded.folder, identity)
        with folder.hold():
            if folder.spec.is_file():
                about, note = _soup_folder.read(folder), "made before"
            else:
                warned.strict = loaded.prepared.plan.spec.settings.strict_warnings
                soup = souped(loaded, ingredients, given.greedy)
                about, note = _about(loaded, ingredients, soup, folder), ""
                about |= {"id": identity, "kind": kind, "selected_on": "val" if given.greedy else None}
                about["command"] = shlex.join(["cvrun", "soup", *arguments])
                about["seconds"] = round(time.monotonic() - began, 3)
                _soup_folder.write(folder, loaded, ingredients, soup, about)
    warned.require_none()
    told = finite({"soup": folder.path.as_posix(), **about})
    show(json.dumps(told, indent=2) + "\n" if given.json else soup_text(told, note), kept=folder.path)
    return 0


def _loaded(given: argparse.Namespace) -> tuple[Ready, list[Ingredient]]:
    """Give the first run with its data, and what is to be averaged."""
    if given.last is not None and (len(given.runs) != 1 or given.last < 2):
        raise ConfigError(f"--last {given.last}: expected one run, and a number of states from 2 on")
    best = best_of(given.runs) if given.last is None else []
    given.run, given.overrides = given.runs[0], given.set
    loaded = ready(given)
    last = [] if given.last is None else last_of(existing(given.run), given.last, loaded.prepared.plan.training)
    return loaded, best or last


def _about(loaded: Ready, ingredients: Sequence[Ingredient], soup: Souped, folder: RunFolder) -> dict[str, Any]:
    """Give what there is to know about a soup, as plain values."""
    training, count = loaded.prepared.plan.training, len(ingredients)
    members = [
        {
            # From the soup on, so that both can be moved together.
            "run": os.path.relpath(one.folder.path.resolve(), folder.path.resolve()),
            "name": one.name,
            "run_id": one.run_id,
            "checkpoint": one.checkpoint,
            "step": one.step,
            "weights": one.digest,
            "score": score,
            "kept": position in soup.kept,
        }
        for position, (one, score) in enumerate(zip(ingredients, soup.scores, strict=True))
    ]
    ordered = sorted(soup.scores, reverse=training.mode == "max")
    worse = soup.score < ordered[-1] if training.mode == "max" else soup.score > ordered[-1]
    return {
        "format": 1,
        "said": f"the mean of the weights of {len(soup.kept)} of {count} models",
        "members": members,
        "monitor": training.monitor,
        "metric": training.monitor.rpartition("/")[2],
        "mode": training.mode,
        "score": soup.score,
        "best_score": ordered[0],
        "worse_than_all": worse,
        "same_start": same_start(ingredients),
        "norm_images": soup.norm_images,
        "step": max(ingredients[position].step for position in soup.kept),
        "weights": digest(soup.weights),
        "images": len(loaded.prepared.split.val),
        "code": __version__,
    }


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("soup", _ABOUT)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders of finished runs with one model")
    greedy = "keep a run only where the mean with it scores no less on val, the best one first"
    parser.add_argument("--greedy", action="store_true", help=greedy)
    last = "average the last K states of one run (stochastic weight averaging), which keep_states=K has kept"
    parser.add_argument("--last", type=int, metavar="K", help=last)
    where = f"where it is kept; default: {_soup_folder.SOUPS}/ID beside the folders of the runs"
    parser.add_argument("--output", type=Path, metavar="FOLDER", help=where)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help=f"one of {', '.join(RESUME_KEYS)}"
    )
    parser.set_defaults(checkpoint="best", tta=None, no_decision=True, resamples=0)
    return parser

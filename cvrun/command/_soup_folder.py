"""The folder of a soup: as that of a finished run, with soup.json, which says what its weights are the mean of.

spec.yaml, changes.jsonl, plan.yaml, data.csv and split.csv are those of the first run, under the name "soup"; so is the
id, which follows from them. There is no state to go on from.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from cvrun import ledger
from cvrun.card import COPY as CARD
from cvrun.command._closer import Asked
from cvrun.command._ingredients import Ingredient
from cvrun.command._measured import Images, Ready, measure
from cvrun.command._run_folder import SOUP, contents, require_own_files
from cvrun.command._saved_plan import read_plan
from cvrun.command._souped import Souped
from cvrun.errors import ConfigError
from cvrun.folder import RunFolder, finite, now
from cvrun.rng import SCHEME
from cvrun.trainer import checkpoint
from cvrun.trainer.digest import digest
from cvrun.yamlfile import load_yaml

NAME = "soup"
SOUPS = "soups"
"""Folder beside those of the experiments."""

_COPIED = ("data.csv", "split.csv", "changes.jsonl", "unreadable.csv", CARD)


def soup_id(ingredients: Sequence[Ingredient], kind: str) -> str:
    """Give 8 hex digits, the same for the same weights in the same order and the same way to choose among them."""
    return digest([kind, *(one.run_id for one in ingredients), *(one.digest for one in ingredients)])[:8]


def place(asked: Path | None, first: RunFolder, identity: str) -> RunFolder:
    """Give where a soup is kept.

    Args:
        asked: What the user named; None: `soups/<id>` beside the folders of the runs.
        first: The first run.
        identity: Of the soup.

    Raises:
        ConfigError: If something else is there, or the ledger of test sets there would be another than the runs'.
    """
    root = ledger.place(first.path).parent
    path = root / SOUPS / identity if asked is None else asked
    if asked is not None and ledger.place(path) != ledger.place(first.path):
        rule = f"a folder such as {root / SOUPS / 'NAME'}"
        raise ConfigError(f"--output {path}: expected {rule}", f"two below {root}, whose {ledger.NAME} counts openings")
    folder = RunFolder(path)
    if os.path.lexists(path):
        require_own_files(folder)
        there = read(folder) if os.path.lexists(path / SOUP) else {}
        if contents(path) and there.get("id") != identity:
            hint = "remove the folder, or choose another with --output"
            raise ConfigError(f"{path}: holds something else, expected a new folder or that of this soup", hint)
    return folder


def read(folder: RunFolder) -> dict[str, Any]:
    """Give what soup.json says; nothing where it cannot be read."""
    try:
        found = json.loads((folder.path / SOUP).read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def write(
    folder: RunFolder, run: Ready, ingredients: Sequence[Ingredient], soup: Souped, about: dict[str, Any]
) -> None:
    """Write a soup; spec.yaml comes last, so that it is a run when all of it is there.

    Args:
        folder: Held by this process.
        run: The first run; its model holds the mean.
        ingredients: Of the soup.
        soup: What came of them.
        about: For soup.json.

    Raises:
        StorageError: If it cannot be written.
    """
    first = ingredients[0].folder
    folder.write(folder.path / SOUP, json.dumps(finite(about), indent=2).encode() + b"\n")
    for name in _COPIED:
        if (first.path / name).is_file():
            folder.write(folder.path / name, (first.path / name).read_bytes())
    meta = {**ingredients[0].meta, "soup": {name: about[name] for name in ("kind", "members", "norm_images")}}
    step, score = about["step"], soup.score
    checkpoint.write_best(folder.checkpoints, step, score, meta, soup.weights)
    state = {"model": soup.weights, "step": step, "best": {"score": score, "step": step}}
    checkpoint.write_state(folder.checkpoints, step, {"meta": meta, "rng_scheme": SCHEME, "state": state})
    metrics = _measured(folder, run, meta, step)
    plan = read_plan(first.plan)
    kept = ", ".join(row["name"] for row in about["members"] if row["kept"])
    disclosed = f"the weights are {about['said']} ({kept}); the training described here is that of the first run"
    plan |= {"name": NAME, "overrides": [f"{about['kind']} soup of {kept}"]}
    warned = plan.get("warnings")
    plan["warnings"] = [disclosed, *(warned if isinstance(warned, list) else [])]
    plan["soup"] = {"command": about["command"]}
    epochs = step / plan["training"]["steps_per_epoch"]
    record = {"step": step, "epoch": epochs, "time": now(), "best/step": step}
    named = {f"best/{name}": value for name, value in metrics.items()}
    folder.write(folder.records, json.dumps(finite({**record, **named})).encode() + b"\n")
    folder.write(folder.plan, yaml.safe_dump(finite(plan), sort_keys=False, allow_unicode=True).encode())
    folder.write_status(
        {
            "state": "finished",
            "reason": about["said"],
            "resumable": False,
            "step": step,
            "total_steps": step,
            "epochs": epochs,
            "monitor": plan["training"]["monitor"],
            "score": score,
            "best_step": step,
            "seconds": about["seconds"],
            "updated": now(),
            "metrics": metrics,
            "digest": digest(state),
        }
    )
    spec = {**load_yaml(first.spec), "name": NAME}
    folder.write(folder.spec, yaml.safe_dump(spec, sort_keys=False, allow_unicode=True).encode())


def _measured(folder: RunFolder, run: Ready, meta: Mapping[str, Any], step: int) -> dict[str, float]:
    """Give the metrics on the validation images, and save the predictions."""
    trained = dataclasses.replace(run.trained, meta=dict(meta), step=step)
    ready = dataclasses.replace(run, folder=folder, trained=trained)
    found = measure(ready, Images("val", "val", run.prepared.manifest, run.prepared.split.val), Asked())
    metrics = {f"val/{name}": value for name, value in found.plain.metrics.items()}
    if found.augmented:
        metrics |= {f"val/tta/{name}": value for name, value in found.augmented.metrics.items()}
    return metrics

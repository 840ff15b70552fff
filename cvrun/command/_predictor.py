"""What predicts images: the model of a run with its frozen decision, or those of an ensemble."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvrun.command import _ensemble_file
from cvrun.command._decided import frozen, require_plain
from cvrun.command._ensemble_file import Ensemble
from cvrun.command._output import say
from cvrun.command._predicted import Merge, Model
from cvrun.command._run_folder import existing
from cvrun.command._trained import Trained, load_trained
from cvrun.config import load
from cvrun.decision import NAME as DECISION
from cvrun.decision import Decision
from cvrun.errors import CheckpointError, ConfigError
from cvrun.folder import RunFolder
from cvrun.trainer.digest import digest
from cvrun.warned import Warned


@dataclass(frozen=True)
class Predictor:
    """Models, and what becomes of their probabilities.

    Attributes:
        models: One or several, of the same classes.
        merge: Makes the probabilities of the models one.
        decision: What makes labels of probabilities; None: the most probable class.
        name: What predicts, in words.
    """

    models: tuple[Model, ...]
    merge: Merge
    decision: Decision | None
    name: str

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        return self.models[0].trained.classes

    @property
    def separator(self) -> str:
        """What the data has between the labels of an image; "" where an image has one class."""
        return str(getattr(self.models[0].spec.parts["data"].config, "label_separator", None) or "")


def predictor(given: argparse.Namespace, warned: Warned) -> Predictor:
    """Give what the words of `cvrun predict` ask for.

    Raises:
        CvrunError: If there is no such run or ensemble, or its weights cannot be used.
    """
    path: Path = given.run
    file = path if path.name == _ensemble_file.NAME else path / _ensemble_file.NAME
    return _together(file, given, warned) if file.is_file() else _alone(existing(path), given, warned)


def _alone(folder: RunFolder, given: argparse.Namespace, warned: Warned) -> Predictor:
    model = _model(folder, given, warned, given.checkpoint, given.tta)
    trained = model.trained
    decision = _decision(folder, trained) if given.decision else None
    name = f"{trained.meta['run_id']} at step {trained.step:,}"
    return Predictor((model,), _only, decision, f"{name}{_in_words(decision)}")


def _together(file: Path, given: argparse.Namespace, warned: Warned) -> Predictor:
    for word, value, usual in (("--checkpoint", given.checkpoint, "best"), ("--tta", given.tta, None)):
        if value != usual:
            message = f"{word} {value}: {file} says what its runs predict with, expected an ensemble as it was made"
            raise ConfigError(message, "cvrun ensemble --tta makes one with test-time augmentation")
    ensemble = _ensemble_file.read(file)
    models = []
    for part in ensemble.used:
        folder = existing(part.run)
        model = _model(folder, given, warned, "best", None if ensemble.tta else "none")
        _require_own(file, ensemble, part, model.trained)
        models.append(model)
    name = f"the {ensemble.merge} of {len(models)} runs, ensemble {ensemble.id}"
    return Predictor(tuple(models), ensemble.merge_used, None, name)


def _model(folder: RunFolder, given: argparse.Namespace, warned: Warned, which: str, tta: str | None) -> Model:
    spec = load(folder.spec, given.set)
    warned.strict = warned.strict or spec.settings.strict_warnings
    return Model(spec, load_trained(spec, folder.checkpoints, which, tta, say))


def _require_own(file: Path, ensemble: Ensemble, part: _ensemble_file.Part, trained: Trained) -> None:
    weights = digest(trained.model.state_dict())
    if weights != part.weights:
        message = f"{file}: was made with weights {part.weights[:12]} of {part.run}, which has {weights[:12]}"
        raise CheckpointError(f"{message}, expected the same", "cvrun ensemble makes another one")
    if trained.classes != ensemble.classes:
        raise CheckpointError(f"{file}: its classes are not those of {part.run}", "cvrun ensemble makes another one")


def _decision(folder: RunFolder, trained: Trained) -> Decision | None:
    """Give the frozen decision of a run, or None where it has none.

    Raises:
        CheckpointError: If it cannot be read, or was fitted for other weights.
        ConfigError: If there is test-time augmentation, for which it was not fitted.
    """
    found = frozen(folder, trained.model, trained.classes)
    if found is None:
        return None
    require_plain(trained.tta)
    return found.decision


def _in_words(decision: Decision | None) -> str:
    return "" if decision is None else f", labels by {DECISION}"


def _only(each: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    return each[0]

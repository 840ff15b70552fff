"""What comes of averaging weights: each model by itself and their mean, judged on the validation images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from cvrun import options
from cvrun.command._ingredients import Ingredient
from cvrun.command._measured import Ready
from cvrun.command._output import say
from cvrun.errors import DataError
from cvrun.images import evaluated, images_of
from cvrun.imbalance import shown_by
from cvrun.pipeline import Batch
from cvrun.pipeline.loader import TrainLoader, evaluation_batches
from cvrun.soup import greedy, mean_of
from cvrun.trainer import checkpoint
from cvrun.trainer.evaluate import evaluate
from cvrun.trainer.norm_statistics import estimate, has_statistics

Batches = Callable[[], Iterator[Batch]]


@dataclass(frozen=True)
class Souped:
    """A soup.

    Attributes:
        scores: Of each ingredient on the validation images.
        kept: Positions of those whose mean it is; of one alone it is that one.
        score: Of the mean.
        weights: Name -> tensor, on the CPU.
        norm_images: Training images from which the statistics of BatchNorm are; 0: there is none, or it is as it was.
    """

    scores: tuple[float, ...]
    kept: tuple[int, ...]
    score: float
    weights: dict[str, Tensor]
    norm_images: int


def souped(run: Ready, ingredients: Sequence[Ingredient], choose: bool) -> Souped:
    """Give the mean of ingredients; run's model is used to judge and holds the mean afterwards.

    Args:
        run: A run of theirs: its monitor judges.
        ingredients: Alike.
        choose: Whether a greedy search chooses those that are kept; else all are.

    Raises:
        DataError: If a score is undefined, or an image cannot be used.
    """
    pot = _Pot(run, ingredients)
    sign = -1.0 if run.prepared.plan.training.mode == "min" else 1.0
    scores = tuple(pot.score((position,)) for position in range(len(ingredients)))
    kept = tuple(range(len(ingredients)))
    if choose:
        kept = greedy([sign * score for score in scores], lambda positions: sign * pot.score(positions))
    score = pot.score(kept)
    weights = {name: value.detach().cpu().clone() for name, value in run.trained.model.state_dict().items()}
    return Souped(scores, kept, score, weights, pot.norm_images if len(kept) > 1 else 0)


class _Pot:
    """The model into which the weights are put, beside the images."""

    def __init__(self, run: Ready, ingredients: Sequence[Ingredient]) -> None:
        self._run, self._ingredients = run, ingredients
        self._val = _val_batches(run)
        self._train = _train_batches(run) if has_statistics(run.trained.model) else None
        self._known: dict[tuple[int, ...], float] = {}
        self._holds: tuple[int, ...] = ()

    @property
    def norm_images(self) -> int:
        """Number of training images that the statistics of BatchNorm are taken from."""
        training = self._run.prepared.plan.training
        return training.steps_per_epoch * training.batch_size if self._train is not None else 0

    def score(self, positions: tuple[int, ...]) -> float:
        """Give the monitored metric of the mean of ingredients, which the model holds afterwards."""
        if positions in self._known and self._holds == positions:
            return self._known[positions]
        self._fill(positions)
        trained, metric = self._run.trained, self._run.prepared.plan.training.monitor.rpartition("/")[2]
        found = float(evaluate(trained.model, self._run.task, self._val(), trained.autocast).metrics[metric])
        if math.isnan(found):
            what = self._ingredients[positions[0]].name if len(positions) == 1 else "the mean of the weights"
            raise DataError(f"val/{metric}: undefined for {what}, expected a number to judge by")
        self._known[positions] = found
        return found

    def _fill(self, positions: tuple[int, ...]) -> None:
        """Put the mean into the model; a model by itself keeps the statistics of its training."""
        trained = self._run.trained
        weights = mean_of([self._ingredients[position].weights for position in positions])
        checkpoint.load_weights(trained.model, weights, self._ingredients[positions[0]].name)
        if len(positions) > 1 and self._train is not None:
            estimate(trained.model, self._train(), trained.autocast, self._run.prepared.plan.training.seed)
        self._holds = positions


def _val_batches(run: Ready) -> Batches:
    prepared, settings = run.prepared, run.prepared.plan.spec.settings
    images = evaluated(images_of("val", prepared.manifest, prepared.split, settings, say), run.trained.device)
    size, ahead = prepared.plan.spec.trainer.eval_batch_size, (settings.num_workers, settings.worker_timeout)
    return evaluation_batches(images, run.trained.normalize, size, run.trained.device, *ahead)


def _train_batches(run: Ready) -> Batches:
    """Give a function that gives the batches of the first epoch of training, without augmentation."""
    prepared, trained = run.prepared, run.trained
    spec, training, manifest = prepared.plan.spec, prepared.plan.training, prepared.manifest
    images = images_of("train", manifest, prepared.split, spec.settings, say)
    sampler, none = spec.parts["sampler"], options.load("augment", "none")
    loader = TrainLoader(
        store=evaluated(images, trained.device),
        sampler=options.build(
            "sampler", sampler.option, sampler.config, shown_by(manifest, prepared.split), training.seed
        ),
        augment=none.build(none.Config(), len(manifest.classes)),
        normalize=trained.normalize,
        seed=training.seed,
        batch_size=training.batch_size,
        steps_per_epoch=training.steps_per_epoch,
        total_steps=training.steps_per_epoch,
        device=trained.device,
        workers=spec.settings.num_workers,
        timeout=spec.settings.worker_timeout,
    )
    return lambda: loader(0)

"""How large the classes are, and what is done about it, in numbers: for the plan, its warnings, and every report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvrun import options
from cvrun.data import Manifest
from cvrun.sampler import Shown, scaled, shares_of
from cvrun.spec import Spec
from cvrun.split import Split

_WORTH_A_LINE = 1.5
"""Largest over smallest class, above which the classes are shown even where nothing is done about them."""

_WORTH_A_WARNING = 3.0
"""The same, above which a score that rewards the largest class is warned about."""

_ALIKE = ("balanced_accuracy", "macro_recall")
"""Metrics of the most probable class that count all classes alike."""

_LISTED = 6
"""Classes up to which each is named in a line; of more the smallest and the largest."""


@dataclass(frozen=True)
class Imbalance:
    """The classes of the training part and what becomes of them; lists have an entry a class.

    Attributes:
        counts: [images] In the training part.
        epoch_images: [images] That an epoch shows.
        shown: Expected share of each class among them.
        class_weights: How much a sample counts in the loss.
        prior_shift: What is added to the logits before they become probabilities; nothing: they stay.
        sampler: Its name.
        weighting: What class_weights follow from, in a word or as given.
        prior: The shares at which probabilities are given, in a word or as given.
        effective: [images] That an epoch drawn by weights of the data is worth, see effective_size; None: it is not.
        softening: What makes targets soft, as "key=value".
        several: Whether the classes are sets of labels, which nobody wants to be alike.
    """

    counts: tuple[int, ...]
    epoch_images: int
    shown: tuple[float, ...]
    class_weights: tuple[float, ...]
    prior_shift: tuple[float, ...]
    sampler: str
    weighting: str
    prior: str
    effective: float | None = None
    softening: tuple[str, ...] = ()
    several: bool = False

    @property
    def ratio(self) -> float:
        """The largest class over the smallest."""
        return max(self.counts) / max(min(self.counts), 1)

    @property
    def resampled(self) -> bool:
        """Whether the sampler shows the classes at other shares than theirs."""
        return not np.allclose(self.shown, shares_of(np.array(self.counts)), rtol=1e-9, atol=0)

    @property
    def resampled_shares(self) -> tuple[float, ...]:
        """What is shown where that differs from the training images; else nothing."""
        return self.shown if self.resampled else ()

    @property
    def reweighted(self) -> bool:
        """Whether the loss counts the classes unequally."""
        return not np.allclose(self.class_weights, self.class_weights[0], rtol=1e-9, atol=0)

    @property
    def what(self) -> str:
        """What an epoch shows, for a message."""
        if self.epoch_images == sum(self.counts):
            return "training images"
        return f"images that an epoch of sampler={self.sampler} shows"

    def line(self) -> str:
        """Give all of it for a person; nothing where the classes are about equal and nothing is done."""
        if self.several:
            return ""
        drawn = self.effective is not None
        touched = self.resampled or self.reweighted or self.prior_shift or drawn
        if not touched and self.ratio <= _WORTH_A_LINE:
            return ""
        counts = _listed([f"{count:,}" for count in self.counts], self.counts)
        shown = f"shown as {_percent(self.shown)} by sampler {self.sampler}" if self.resampled else "shown as they are"
        said = [f"training images {counts} ({self.ratio:.1f} to 1)", shown]
        if self.effective is not None:
            worth = f"worth {self.effective:,.1f} of {sum(self.counts):,} images with equal weights"
            said.append(f"drawn by data.weight_column with replacement, {worth}")
        return "; ".join([*said, f"class weights {self.weighting}", self._probabilities()])

    def _probabilities(self) -> str:
        """Give the shares of the classes at which probabilities are given, for a person."""
        if self.prior == "none" and (self.resampled or self.reweighted):
            return "probabilities as trained (task.prior=train corrects them)"
        if self.prior in ("none", "train"):
            return "probabilities at the training shares" + (" (task.prior=train)" if self.prior_shift else "")
        return f"probabilities at {self.prior} (task.prior)"

    def plain(self) -> dict[str, Any]:
        """Give the numbers for plan.yaml; a list that says nothing new is empty."""
        return {
            "epoch_images": self.epoch_images,
            "shown": list(self.resampled_shares),
            "class_weights": list(self.class_weights) if self.reweighted else [],
            "prior_shift": list(self.prior_shift),
            "line": self.line(),
        }

    def warnings(self, monitor: str) -> list[str]:
        """Give a line for each choice that is hardly meant; monitor is the judging metric, such as val/accuracy."""
        found = []
        if self.resampled and self.reweighted:
            found.append(f"sampler={self.sampler} and loss.class_weights correct the imbalance twice")
        where, _, metric = monitor.rpartition("/")
        left = not (self.resampled or self.reweighted)
        if left and metric == "accuracy" and self.ratio > _WORTH_A_WARNING:
            found.append(
                f"{monitor} rewards the majority class, which is {self.ratio:.1f} times the smallest:"
                f" monitor.metric={where}/balanced_accuracy counts all classes alike"
            )
        if self.prior_shift and metric in _ALIKE:
            found.append(
                f"task.prior={self.prior} lets the most probable class be that at these shares, but {monitor} counts"
                " all classes alike: task.prior=none usually scores higher"
            )
        if self.prior_shift and self.softening:
            causes = " and ".join(self.softening)
            found.append(f"task.prior={self.prior} corrects probabilities approximately: {causes} makes targets soft")
        return found


def shown_by(manifest: Manifest, split: Split) -> Shown:
    """Give the training part of a split as samplers take it."""
    weights = None if manifest.weights is None else manifest.weights[split.train]
    return Shown(manifest.labels[split.train], len(manifest.classes), weights)


def effective_size(weights: NDArray[np.float64]) -> float:
    """Give how many images with equal weights tell as much as those with weights > 0 (N,), in [1, N] [images].

    (sum w)**2 / sum w**2, Kish 1965, "Survey sampling", section 11.7.
    """
    w = scaled(weights)
    return float(w.sum() ** 2 / np.square(w).sum())


def imbalance_of(spec: Spec, manifest: Manifest, split: Split) -> Imbalance:
    """Give what spec does about the classes of the training part.

    Raises:
        ConfigError: If sampler, class weights or prior do not fit the data.
    """
    sampler, loss, task = (spec.parts[group] for group in ("sampler", "loss", "task"))
    training = shown_by(manifest, split)
    counts = training.counts
    shown = options.call("sampler", sampler.option, "shares", sampler.config, training)
    weights = options.call("loss", loss.option, "class_weights", loss.config, counts)
    learned = shares_of(shown * weights)
    shift = options.call("task", task.option, "prior_shift", task.config, shares_of(counts), learned)
    prior = getattr(task.config, "prior", "none")
    weighting = getattr(loss.config, "class_weights", "none")
    return Imbalance(
        counts=tuple(counts.tolist()),
        epoch_images=options.call("sampler", sampler.option, "images_per_epoch", sampler.config, counts),
        shown=tuple(shown.tolist()),
        class_weights=tuple(weights.tolist()),
        prior_shift=shift,
        sampler=sampler.option,
        weighting=weighting if isinstance(weighting, str) else _listed([f"{x:g}" for x in weighting], weighting),
        prior=prior if isinstance(prior, str) else _percent(prior),
        # A sampler that draws by no weights has refused them.
        effective=None if training.weights is None else effective_size(training.weights),
        softening=_softening(spec),
        several=manifest.sets is not None,
    )


def _softening(spec: Spec) -> tuple[str, ...]:
    """Give the keys by which a target is spread over several classes, with their values."""
    loss, augment = spec.parts["loss"].config, spec.parts["augment"].config
    values = {"loss.label_smoothing": getattr(loss, "label_smoothing", 0)}
    if getattr(augment, "mix_probability", 0) > 0:
        values |= {f"augment.{key}": getattr(augment, key, 0) for key in ("mixup_alpha", "cutmix_alpha")}
    return tuple(f"{key}={value:g}" for key, value in values.items() if value > 0)


def _percent(shares: Sequence[float]) -> str:
    """Give shares in percent; where they are equal as one fraction."""
    if np.allclose(shares, 1 / len(shares), rtol=1e-9, atol=0):
        return f"1/{len(shares)} each"
    return _listed([f"{100 * share:.3g}" for share in shares], shares) + " %"


def _listed(texts: Sequence[str], values: Sequence[float]) -> str:
    """Give a text a class, or of many classes those with the smallest and the largest value."""
    if len(texts) <= _LISTED:
        return "/".join(texts)
    return f"{texts[int(np.argmin(values))]} to {texts[int(np.argmax(values))]} a class"

"""Plan: what will be done, every number final, and how it is written and shown.

`cvrun check` prints the plan and stops; `cvrun train` goes on from it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace

import numpy as np
import yaml

from cvrun.card import Card
from cvrun.data import ImageForm
from cvrun.data._sets import LabelSets
from cvrun.folder import RunFolder, finite
from cvrun.imbalance import Imbalance
from cvrun.metric import Metric
from cvrun.model import Shape
from cvrun.spec import Choice, Spec
from cvrun.trainer import TrainingPlan


@dataclass(frozen=True)
class Flow:
    """What became of the images that a source lists; with those of the parts they sum to listed.

    Attributes:
        listed: Images of the source.
        synthetic: Of those, the ones that may only be trained on.
        unplaced: In no part, because the split has none for them.
        excluded: Reason -> images that data.exclude leaves out.
        subset: Training images that data.subset leaves out.
        unreadable: Training images that skip_unreadable leaves out.
    """

    listed: int
    synthetic: int
    unplaced: int
    excluded: dict[str, int]
    subset: int
    unreadable: int

    def line(self) -> str:
        """Give in words what differs from a source that is used whole; nothing where nothing does."""
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.excluded.items())
        left = [
            f"{sum(self.excluded.values()):,} excluded ({reasons})" if self.excluded else "",
            f"{self.subset:,} left out by data.subset" if self.subset else "",
            f"{self.unreadable:,} unreadable" if self.unreadable else "",
            f"{self.unplaced:,} in no part" if self.unplaced else "",
            f"{self.synthetic:,} synthetic" if self.synthetic else "",
        ]
        said = ", ".join(text for text in left if text)
        return f"{self.listed:,} listed: {said}" if said else ""


@dataclass(frozen=True)
class DataFacts:
    """What is known of the data before an image is decoded.

    Attributes:
        classes: Names, in their fixed order.
        form: What every image is brought into.
        counts: Split -> images of each class.
        groups: Split -> number of groups, or nothing where the data has none.
        data_fingerprint: sha256 of the training and validation entries.
        split_fingerprint: sha256 of which image is in which part.
        test_names: sha256 of which of all images are the test part, whatever the others are for; "": none are.
        flow: What became of the images that are in no part.
        strata: Split -> stratum -> images, or nothing where data.stratify_by names no column.
        sets: What classes are sets of, where an image may have any number of labels; or None.
    """

    classes: tuple[str, ...]
    form: ImageForm
    counts: dict[str, tuple[int, ...]]
    groups: dict[str, int]
    data_fingerprint: str
    split_fingerprint: str
    test_names: str
    flow: Flow
    strata: dict[str, dict[str, int]]
    sets: LabelSets | None = None

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the model predicts: the classes, or the labels."""
        return self.classes if self.sets is None else self.sets.names

    def with_output(self, part: str) -> tuple[int, ...]:
        """Give the number of images of a part that have each output."""
        if self.sets is None:
            return self.counts[part]
        found: list[int] = (np.array(self.counts[part]) @ self.sets.members.astype(np.int64)).tolist()
        return tuple(found)


@dataclass(frozen=True)
class Plan:
    """Everything that will happen, in numbers.

    Attributes:
        spec: What the user wants.
        run_id: 8 hex digits; equal for equal work.
        folder: Where results go.
        training: The numbers of the loop.
        data: The facts of the data.
        card: Where they come from, or None.
        imbalance: The classes of the training part and what becomes of them.
        metrics: What an evaluation measures.
        shape: What the model must fit.
        num_parameters: Trainable numbers of the model.
        device: "cpu", "cuda" or "cuda:N".
        threads: [threads] Of torch on the CPU.
        precision_reason: Why training.precision is what it is; empty where it was asked for.
        environment: What bits depend on beside the spec: versions, device, threads.
        code: Version and commit of cvrun.
        warnings: Lines for the user.
    """

    spec: Spec
    run_id: str
    folder: RunFolder
    training: TrainingPlan
    data: DataFacts
    card: Card | None
    imbalance: Imbalance
    metrics: tuple[Metric, ...]
    shape: Shape
    num_parameters: int
    device: str
    threads: int
    precision_reason: str
    environment: dict[str, str]
    code: str
    warnings: tuple[str, ...]

    def to_yaml(self) -> str:
        """Give the plan as text, for plan.yaml."""
        data = {**dataclasses.asdict(replace(self.data, sets=None)), "classes": list(self.data.classes)}
        del data["sets"]
        if self.data.sets is not None:
            data["labels"] = list(self.data.sets.names)
        shape = {name: getattr(self.shape, name) for name in ("channels", "size", "num_classes")}
        data["counts"] = {name: list(counts) for name, counts in self.data.counts.items()}
        if self.card is not None:
            data["card"] = self.card.values
        content = {
            "name": self.spec.settings.name,
            "run_id": self.run_id,
            "overrides": list(self.spec.changes),
            "code": self.code,
            "training": dataclasses.asdict(self.training),
            "data": data,
            "imbalance": self.imbalance.plain(),
            "metrics": [metric.name for metric in self.metrics],
            "model": {"parameters": self.num_parameters, **shape},
            "device": self.device,
            "threads": self.threads,
            "precision_reason": self.precision_reason,
            "environment": self.environment,
            "warnings": list(self.warnings),
        }
        return str(yaml.safe_dump(finite(content), sort_keys=False, allow_unicode=True))

    def lines(self) -> list[tuple[str, str]]:
        """Give the plan for a person: pairs of a name and a text."""
        training, data = self.training, self.data
        sizes = {part: sum(counts) for part, counts in data.counts.items()}
        form = f"{data.form.channels}x{data.form.size}x{data.form.size}"
        groups = f", {sum(data.groups.values()):,} groups" if data.groups else ""
        images = ", ".join(f"{size:,} {part}" for part, size in sizes.items())
        epochs = training.total_steps // training.steps_per_epoch
        parts = f" in {training.accumulate} parts" if training.accumulate > 1 else ""
        rest = self.imbalance.epoch_images - training.steps_per_epoch * training.batch_size
        left = f"; each leaves out {_count(rest, 'image')}" if rest else ""
        warmup = f" after {training.warmup_steps:,} steps of warmup" if training.warmup_steps else ""
        kinds = f"{len(data.classes)} classes"
        if data.sets is not None:
            kinds = f"{_count(len(data.sets.names), 'label')} in {_count(len(data.classes), 'set')}"
        names = {group: _name(choice) for group, choice in self.spec.parts.items()}
        extras = [f"{g} {names[g]}" for g in ("normalize", "sampler", "augment", "loss", "early_stopping", "tta")]
        precision = f"{training.precision} ({self.precision_reason})" if self.precision_reason else training.precision
        imbalance = self.imbalance.line()
        return [
            ("run", self.folder.path.as_posix()),
            ("changes", " ".join(self.spec.changes) or "none"),
            ("data", f"{names['data']}: {kinds}, {form} pixels{groups}"),
            *([("card", self.card.line())] if self.card is not None else []),
            ("split", f"{names['split']}: {images}"),
            *([("images", said)] if (said := data.flow.line()) else []),
            *([("imbalance", imbalance)] if imbalance else []),
            ("model", f"{names['model']}: {self.num_parameters:,} parameters"),
            ("with", ", ".join(extras)),
            ("steps", f"{training.total_steps:,}: {_count(epochs, 'epoch')} of {training.steps_per_epoch:,}{left}"),
            ("batch", f"{training.batch_size:,} images{parts}"),
            ("rate", f"{names['optimizer']}, lr {training.lr:g}, {names['scheduler']}{warmup}"),
            ("monitor", f"{training.monitor} ({training.mode}), evaluated every {_count(training.eval_every, 'step')}"),
            ("machine", f"{self._devices()}, {_count(self.threads, 'thread')}, {precision}, seed {training.seed}"),
        ]

    def _devices(self) -> str:
        """Give the device, or how many of which kind."""
        number = self.spec.settings.devices
        return self.device if number == 1 else f"{number} x {self.device.partition(':')[0]}"


def _name(choice: Choice) -> str:
    """Give an option's name, with the name that it was given as a key, such as "timm resnet18"."""
    return " ".join(part for part in (choice.option, str(getattr(choice.config, "name", ""))) if part)


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"

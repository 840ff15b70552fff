"""From a Spec to its Plan: list and split the data, work out every number, check what belongs together.

No weight is allocated before the plan stands. No image is decoded either, except where `skip_unreadable` lets training
images be left out: the plan's numbers are those of what is trained on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from cvrun import dist, options
from cvrun.allocator import keep_freed
from cvrun.card import COPY, read_card
from cvrun.compiler import require_compiler
from cvrun.data import Manifest
from cvrun.dist import ALONE, Together
from cvrun.duration import to_steps
from cvrun.environment import code_version, default_threads, environment
from cvrun.errors import ConfigError, did_you_mean, printable
from cvrun.folder import RunFolder
from cvrun.images import Decodable, kept_for, open_part, unusable
from cvrun.imbalance import Imbalance, imbalance_of
from cvrun.metric import Metric
from cvrun.model import Shape
from cvrun.noise_floor import noise_floor
from cvrun.optimizer import scaled_lr
from cvrun.outside import require_cache_outside, require_outside
from cvrun.pipeline.stream import Stream, stream_of
from cvrun.pipeline.unreadable import LeftOut, leave_out
from cvrun.plan import Plan
from cvrun.precision import Decision, counting, settle
from cvrun.probe import Work
from cvrun.rehearse import require_targets, smallest_part, try_model, try_parts, warnings
from cvrun.selection import Selection, facts, select
from cvrun.spec import Spec
from cvrun.split import Split
from cvrun.streams import tell
from cvrun.trainer import TrainingPlan
from cvrun.viewable import try_views


@dataclass(frozen=True)
class Prepared:
    """A plan with the manifest and the split that it was made from.

    Attributes:
        plan: What will be done.
        manifest: The data.
        split: Its parts, without what is left out.
        left_out: The training images that cannot be used, where some may be left out.
        train: The training images, where they had to be decoded to know that.
    """

    plan: Plan
    manifest: Manifest
    split: Split
    left_out: LeftOut | None = None
    train: Decodable | None = None


def prepare(
    spec: Spec, folder: RunFolder | None = None, precision: str | None = None, together: Together = ALONE
) -> Prepared:
    """Give the plan of spec, with its data listed and split.

    Args:
        spec: What the user wants.
        folder: Where the run lives; None: where a new one goes.
        precision: What an earlier part of the run settled on, where `auto` was asked for.
        together: The ranks that each prepare the run.

    Raises:
        CvrunError: If anything about it cannot be run.
    """
    if (launched := dist.launched_world_size() or 1) > 1 and together.world == 1:
        raise ConfigError(f"WORLD_SIZE={launched}: expected one process", "start it without torchrun")
    device = resolve_device(spec.settings.device)
    if spec.settings.compile:
        require_compiler(device)
    # Before anything large is allocated.
    keep_freed(spec.settings.keep_memory)
    where = folder or address(spec)
    said = f"output_root={spec.settings.output_root}: {where.path}"
    require_outside(spec, where.path, said, "folder", "set output_root=FOLDER")
    require_cache_outside(spec)
    selection = select(spec)
    manifest, split = selection.manifest, selection.split
    plan = _plan(spec, where, selection, device, precision, together)
    share = spec.settings.skip_unreadable
    if share == 0:
        return Prepared(plan, manifest, split)
    choice = spec.parts["augment"]
    augment = options.build("augment", choice.option, choice.config, len(plan.data.outputs))
    kept = kept_for(augment, manifest.form)
    images, bad = open_part(
        "train", manifest, split.train, kept, spec.settings, lambda line: together.leads and tell(printable(line))
    )
    if isinstance(images, Stream):
        bad = unusable(images, "train", spec.settings)
    split, left_out = leave_out(manifest, split, bad, share)
    if isinstance(images, Stream):
        images = stream_of(manifest, split.train, kept)
    if left_out.reasons:
        selection = selection.without_unreadable(split)
        plan = _plan(spec, where, selection, device, precision, together)
        plan = replace(plan, warnings=(left_out.warning(), *plan.warnings))
    return Prepared(plan, manifest, split, left_out, images)


def _plan(
    spec: Spec,
    folder: RunFolder,
    selection: Selection,
    device: str,
    precision: str | None,
    together: Together,
) -> Plan:
    data = facts(selection)
    require_targets(spec, data.sets is not None)
    metrics = metrics_of(len(data.outputs), "class" if data.sets is None else "labels")
    imbalance = imbalance_of(spec, selection.manifest, selection.split)
    training = _training(spec, imbalance, metrics)
    floor = noise_floor(training.monitor, data.counts["val"], data.groups.get("val", 0), data.sets is not None)
    shape = Shape(data.form.channels, data.form.size, len(data.outputs), data.outputs)
    counts = np.array(data.with_output("train"))
    try_parts(spec, shape, counts)
    threads = spec.settings.threads or default_threads(spec.settings.devices)
    smallest = smallest_part(training, spec.settings.devices)
    with counting() as flops:
        num_parameters = try_model(spec, shape, smallest)
    try_views(spec, shape)
    if precision is None:
        work = Work(spec, training, shape, counts, metrics, threads, num_parameters, flops())
        decision = together.first(lambda: settle(work, device))
    else:
        decision = Decision(precision, "as at the start")
    training = replace(training, precision=decision.precision)
    return Plan(
        spec=spec,
        run_id=spec.id,
        folder=folder,
        training=training,
        data=data,
        card=read_card(spec.data.card, folder.path / COPY),
        imbalance=imbalance,
        metrics=metrics,
        shape=shape,
        num_parameters=num_parameters,
        device=device,
        threads=threads,
        precision_reason=decision.reason,
        environment=environment(device, threads, spec.settings.deterministic, spec.settings.compile, together.world),
        code=code_version(),
        warnings=(
            *selection.warnings,
            *warnings(spec, training, metrics, device),
            *imbalance.warnings(training.monitor),
            *filter(None, [floor.warning(training.min_delta, training.delta_mode)]),
        ),
    )


def address(spec: Spec) -> RunFolder:
    """Give the folder of a run: the same for the same spec, wherever and whenever it is asked for."""
    return RunFolder(Path(spec.settings.output_root) / spec.settings.name / spec.id)


def resolve_device(asked: str) -> str:
    """Give the device for `device=auto` or a named one.

    Raises:
        ConfigError: If it is not there.
    """
    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    count = torch.cuda.device_count()
    if asked.startswith("cuda") and (count == 0 or int(asked.partition(":")[2] or 0) >= count):
        raise ConfigError(f"device={asked}: {count} CUDA devices are available", "device=cpu works everywhere")
    return asked


def metrics_of(num_classes: int, target: str = "class") -> tuple[Metric, ...]:
    """Give every metric that is defined for a number of classes, or of "labels", in the order of their names."""
    modules = ((name, options.load("metric", name)) for name in options.module_names("metric"))
    fitting = ((name, m) for name, m in modules if target in options.targets("metric", name))
    return tuple(Metric(name, m.MODE, m.values) for name, m in fitting if num_classes >= m.MIN_CLASSES)


def _training(spec: Spec, imbalance: Imbalance, metrics: tuple[Metric, ...]) -> TrainingPlan:
    """Give the numbers of the loop; the precision is settled when the model is known."""
    wanted, monitor, images = spec.trainer, spec.monitor, imbalance.epoch_images
    if wanted.batch_size > images:
        raise ConfigError(
            f"trainer.batch_size={wanted.batch_size}: expected at most the {images} {imbalance.what}",
            "an epoch would have no whole batch",
        )
    per_epoch = images // wanted.batch_size
    total = wanted.epochs * per_epoch
    choice = spec.parts["scheduler"]
    clock = {"steps_per_epoch": per_epoch, "total_steps": total}
    warmup = to_steps(choice.config.warmup, key="warmup", **clock)
    if warmup >= total:
        raise ConfigError(f"scheduler.warmup={choice.config.warmup}: is {warmup} of {total} steps, expected fewer")
    lr = scaled_lr(spec.parts["optimizer"].config, wanted.batch_size)
    training = TrainingPlan(
        total_steps=total,
        steps_per_epoch=per_epoch,
        eval_every=to_steps(wanted.eval_every, key="eval_every", **clock),
        save_every=to_steps(wanted.save_every, key="save_every", **clock),
        log_every=to_steps(wanted.log_every, key="log_every", **clock),
        batch_size=wanted.batch_size,
        accumulate=wanted.accumulate,
        max_grad_norm=wanted.max_grad_norm,
        ema_decay=wanted.ema_decay,
        lr=lr,
        warmup_steps=warmup,
        seed=spec.settings.seed,
        precision=wanted.precision,
        monitor=monitor.metric,
        mode=_mode(spec, metrics),
        min_delta=monitor.min_delta,
        delta_mode=monitor.delta_mode,
    )
    # Built once here for its checks: milestones and floors can be wrong only now that steps and lr are known.
    options.build("scheduler", choice.option, choice.config, training.span)
    return training


def _mode(spec: Spec, metrics: tuple[Metric, ...]) -> str:
    name = spec.monitor.metric
    prefixes = ["val/", "val/ema/"] if spec.trainer.ema_decay > 0 else ["val/"]
    known = {prefix + metric.name: metric.mode for prefix in prefixes for metric in metrics}
    if name not in known:
        hint = "val/ema/... needs trainer.ema_decay > 0" if name.startswith("val/ema/") else did_you_mean(name, known)
        raise ConfigError(f"monitor.metric={name}: expected one of {', '.join(known)}", hint)
    return known[name] if spec.monitor.mode == "auto" else spec.monitor.mode

"""The composition root: a plan and its data become the objects that the trainer works with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cvrun import normalized, options
from cvrun.arithmetic import arranged, autocast, strict_kernels
from cvrun.augment import Augment
from cvrun.compiler import compile_models, telling
from cvrun.dist import ALONE, Together
from cvrun.early_stopping import Stopper
from cvrun.images import Decodable, augmented, evaluated, images_of, kept_for, where_cut
from cvrun.imbalance import shown_by
from cvrun.logger import Header
from cvrun.logger._queued import Queued
from cvrun.logger._silent import Silent
from cvrun.logger._together import Loggers
from cvrun.metric import Metric
from cvrun.normalize import Normalization
from cvrun.optimizer import param_groups
from cvrun.optimizer._layout import keep_layout
from cvrun.pipeline import Batch, Images
from cvrun.pipeline.loader import TrainLoader, evaluation_batches
from cvrun.plan import Plan
from cvrun.prepare import Prepared
from cvrun.rehearse import leaves_parameters_out
from cvrun.rng import seed_all
from cvrun.scheduler import Schedule
from cvrun.spec import Spec
from cvrun.task import Task
from cvrun.trainer import Run, Stop, TrainingPlan
from cvrun.trainer.best import Best
from cvrun.trainer.checkpoint import commits
from cvrun.trainer.cost import Cost
from cvrun.trainer.ema import NoEma, WeightEma
from cvrun.trainer.saver import NoSaver, Saver
from cvrun.trainer.shares import share_of
from cvrun.trainer.state import LossMean, State
from cvrun.trainer.sync_norm import synchronized
from cvrun.tta import TTA


def build_loggers(plan: Plan) -> Loggers | Silent:
    """Give the loggers of the plan; jsonl is always among them. Where another process writes the run, they are none."""
    if not plan.folder.ours:
        return Silent()
    folder = plan.folder.path
    jsonl = options.load("logger", "jsonl")
    loggers = Loggers(jsonl.build(jsonl.Config(), folder), [], [], plan.folder.log)
    for name, choice in plan.spec.loggers.items():
        logger = options.build("logger", choice.option, choice.config, folder)
        # The console draws in step with the run; nobody waits for the others.
        if choice.option == "console":
            loggers.others.append((name, logger))
        elif choice.option != "jsonl":
            loggers.queued.append((name, Queued(logger)))
    return loggers


def build_run(
    prepared: Prepared,
    recorder: Loggers | Silent,
    saver: Saver | NoSaver,
    stop: Stop,
    cost: Cost,
    together: Together = ALONE,
) -> tuple[Run, State]:
    """Give the objects of a run and the state at step 0, on each of the ranks that train together.

    Decodes the training and validation images, fits the normalization, draws or loads the initial weights.

    Raises:
        CvrunError: If an image, a weight file or a number cannot be used.
    """
    plan, spec = prepared.plan, prepared.plan.spec
    torch.set_num_threads(plan.threads)
    strict_kernels(spec.settings.deterministic)
    device = torch.device(plan.device)
    # Before the images are decoded: weights that cannot be found should not cost that time. A run that goes on has its
    # weights in the checkpoint, and must not depend on a file or a hub that may be gone.
    seed_all(spec.settings.seed, "init")
    with cost.on("model"):
        model = build_model(plan, pretrained=not commits(plan.folder.checkpoints, "step")).to(device)
        model = arranged(model, plan.training.precision, device)
    augment: Augment = _option(spec, "augment", len(plan.data.outputs))
    data, settings = (prepared.manifest, prepared.split), spec.settings
    kept = kept_for(augment, plan.data.form)
    train = prepared.train or images_of("train", *data, settings, recorder.say, kept)
    val = images_of("val", *data, settings, recorder.say)
    pixels = {"train": train.digest(), "val": val.digest()}
    normalize = normalized.fit(plan, train)
    schedule: Schedule = _option(spec, "scheduler", plan.training.span)
    loader = _train_loader(prepared, train, augment, normalize, together)
    task = build_task(spec, plan.data.with_output("train"), plan.metrics, plan.imbalance.prior_shift)
    run = Run(
        plan=plan.training,
        folder=plan.folder,
        task=task,
        together=together,
        share=share_of(task, model, together, lambda: leaves_parameters_out(spec, plan.shape)),
        step_images=lambda step: next(dataclasses.replace(loader, rank=0, world=1)(step)).index,
        schedule=schedule,
        train_batches=telling(loader, recorder.say) if spec.settings.compile else loader,
        val_batches=_val_batches(spec, evaluated(val, device), normalize, device, together),
        autocast=synchronized(autocast(plan.training.precision, device), together, spec.trainer.sync_batch_norm),
        clip=_clip(plan.training.max_grad_norm),
        recorder=recorder,
        saver=saver,
        stop=stop,
        checkpoint_meta=_meta(plan, model, normalize, pixels, where_cut(loader.store, device)),
        tta=build_tta(spec),
        cost=cost,
        ids=prepared.manifest.ids,
        val_ids=tuple(prepared.manifest.ids[i] for i in prepared.split.val.tolist()),
    )
    state = _state(spec, plan.training, model, schedule)
    if spec.settings.compile:
        compile_models(state.models().values())
    return run, state


def _train_loader(
    prepared: Prepared, images: Decodable, augment: Augment, normalize: Normalization, together: Together
) -> TrainLoader:
    plan, spec = prepared.plan, prepared.plan.spec
    return TrainLoader(
        store=augmented(images, augment, plan.data.form.size, torch.device(plan.device)),
        sampler=_option(spec, "sampler", shown_by(prepared.manifest, prepared.split), spec.settings.seed),
        augment=augment,
        normalize=normalize,
        seed=spec.settings.seed,
        batch_size=plan.training.batch_size,
        steps_per_epoch=plan.training.steps_per_epoch,
        total_steps=plan.training.total_steps,
        device=torch.device(plan.device),
        workers=spec.settings.num_workers,
        timeout=spec.settings.worker_timeout,
        rank=together.rank,
        world=together.world,
    )


def _val_batches(
    spec: Spec, images: Images, normalize: Normalization, device: torch.device, together: Together
) -> Callable[[], Iterator[Batch]]:
    size, settings = spec.trainer.eval_batch_size, spec.settings
    threads = settings.num_workers, settings.worker_timeout
    return evaluation_batches(images, normalize, size, device, *threads, rank=together.rank, world=together.world)


def build_model(plan: Plan, pretrained: bool) -> nn.Module:
    """Give the model with its initial weights; torch's generator has been seeded by the caller."""
    model: nn.Module = _option(plan.spec, "model", plan.shape, pretrained)
    return model


def build_task(spec: Spec, counts: tuple[int, ...], metrics: tuple[Metric, ...], shift: tuple[float, ...]) -> Task:
    """Give the task with its loss, for counts training images of each class; shift is what its prior_shift gave."""
    task: Task = _option(spec, "task", _option(spec, "loss", np.array(counts)), metrics, shift)
    return task


def build_tta(spec: Spec) -> TTA:
    """Give the views of test-time augmentation."""
    tta: TTA = _option(spec, "tta")
    return tta


def header(plan: Plan, step: int, evaluated: int) -> Header:
    """Give what loggers show before the first step."""
    training = plan.training
    return Header(
        lines=tuple(plan.lines()),
        step=step,
        evaluated=evaluated,
        total_steps=training.total_steps,
        steps_per_epoch=training.steps_per_epoch,
        batch_size=training.batch_size,
        monitor=training.monitor,
    )


def _option(spec: Spec, group: str, *arguments: Any) -> Any:
    choice = spec.parts[group]
    return options.build(group, choice.option, choice.config, *arguments)


def _state(spec: Spec, training: TrainingPlan, model: nn.Module, schedule: Schedule) -> State:
    device = next(model.parameters()).device
    decay = spec.parts["optimizer"].config.weight_decay
    stopper: Stopper = _option(spec, "early_stopping", training.mode)
    optimizer = _option(spec, "optimizer", param_groups(model, decay), training.lr)
    keep_layout(optimizer)
    # A fused SGD that is told of an overflow keeps the weights, but not its momentum, which at the first step is left
    # as the memory was found (torch 2.15, optim/sgd.py). So the scaler leaves such a step out by itself.
    optimizer._step_supports_amp_scaling = False
    return State(
        model=model,
        optimizer=optimizer,
        scaler=torch.amp.GradScaler(device.type, enabled=training.precision == "fp16"),
        ema=WeightEma(model, training.ema_decay) if training.ema_decay > 0 else NoEma(),
        plateau=schedule.plateau,
        stopper=stopper,
        best=Best(training.monitor, training.mode, training.min_delta, training.delta_mode),
        loss_mean=LossMean(),
    )


def _clip(max_norm: float) -> Callable[[list[Tensor]], object]:
    if max_norm == float("inf"):
        return lambda parameters: None
    return lambda parameters: nn.utils.clip_grad_norm_(parameters, max_norm)


def _meta(
    plan: Plan, model: nn.Module, normalize: Normalization, pixels: dict[str, str], cut: dict[str, str]
) -> dict[str, Any]:
    return {
        "run_id": plan.run_id,
        "classes": list(plan.data.outputs),
        "data_fingerprint": plan.data.data_fingerprint,
        "split_fingerprint": plan.data.split_fingerprint,
        "pixels": pixels,
        "parameters": [f"{name} {tuple(value.shape)}" for name, value in model.state_dict().items()],
        "normalization": normalized.kept(normalize, plan),
        "prior_shift": list(plan.imbalance.prior_shift),
        "form": plan.data.form.saved(),
        "precision": plan.training.precision,
        "environment": {**plan.environment, **cut},
        "code": plan.code,
    }

"""The composition root: a plan and its data become the objects that the trainer works with."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cvrun import options
from cvrun.arithmetic import arranged, autocast
from cvrun.compiler import compile_models, telling
from cvrun.early_stopping import Stopper
from cvrun.logger import Header
from cvrun.logger._queued import Queued
from cvrun.logger._together import Loggers
from cvrun.metric import Metric
from cvrun.normalize import Affine, Source
from cvrun.optimizer import param_groups
from cvrun.optimizer._layout import keep_layout
from cvrun.pipeline.loader import TrainLoader, evaluation_batches
from cvrun.pipeline.store import Store
from cvrun.pipeline.unreadable import cannot_be_used
from cvrun.plan import Plan
from cvrun.prepare import Prepared, decode_part
from cvrun.rng import seed_all
from cvrun.scheduler import Schedule
from cvrun.spec import Spec
from cvrun.task import Task
from cvrun.trainer import Run, Stop, TrainingPlan
from cvrun.trainer.best import Best
from cvrun.trainer.checkpoint import commits
from cvrun.trainer.ema import NoEma, WeightEma
from cvrun.trainer.saver import Saver
from cvrun.trainer.state import LossMean, State
from cvrun.tta import TTA


def build_loggers(plan: Plan) -> Loggers:
    """Give the loggers of the plan; jsonl is always among them."""
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
    prepared: Prepared, recorder: Loggers, saver: Saver, stop: Stop, seconds: Callable[[], float]
) -> tuple[Run, State]:
    """Give the objects of a run and the state at step 0.

    Decodes the training and validation images, fits the normalization, draws or loads the initial weights.

    Raises:
        CvrunError: If an image, a weight file or a number cannot be used.
    """
    plan, spec = prepared.plan, prepared.plan.spec
    torch.set_num_threads(plan.threads)
    _strict_kernels(spec.settings.deterministic)
    device = torch.device(plan.device)
    # Before the images are decoded: weights that cannot be found should not cost that time. A run that goes on has its
    # weights in the checkpoint, and must not depend on a file or a hub that may be gone.
    seed_all(spec.settings.seed, "init")
    model = build_model(plan, pretrained=not commits(plan.folder.checkpoints, "step")).to(device)
    model = arranged(model, plan.training.precision, device)
    train_store = store_of(prepared, "train", recorder.say)
    val_store = store_of(prepared, "val", recorder.say)
    pixels = {"train": train_store.digest(), "val": val_store.digest()}
    normalize = _normalize(spec, plan, train_store, pixels["train"])
    schedule: Schedule = _option(spec, "scheduler", plan.training.span)
    labels = prepared.manifest.labels[prepared.split.train]
    sampler = _option(spec, "sampler", labels, len(plan.data.classes), spec.settings.seed)
    loader = TrainLoader(
        store=train_store,
        sampler=sampler,
        augment=_option(spec, "augment", len(plan.data.classes)),
        normalize=normalize,
        seed=spec.settings.seed,
        batch_size=plan.training.batch_size,
        total_steps=plan.training.total_steps,
        device=device,
    )
    run = Run(
        plan=plan.training,
        folder=plan.folder,
        task=build_task(spec, plan.data.counts["train"], plan.metrics),
        schedule=schedule,
        train_batches=telling(loader, recorder.say) if spec.settings.compile else loader,
        val_batches=evaluation_batches(val_store, normalize, spec.trainer.eval_batch_size, device),
        autocast=autocast(plan.training.precision, device),
        clip=_clip(plan.training.max_grad_norm),
        recorder=recorder,
        saver=saver,
        stop=stop,
        checkpoint_meta=_meta(plan, model, normalize, pixels),
        tta=build_tta(spec),
        seconds=seconds,
        ids=prepared.manifest.ids,
        val_ids=tuple(prepared.manifest.ids[i] for i in prepared.split.val.tolist()),
    )
    state = _state(spec, plan.training, model, schedule)
    if spec.settings.compile:
        compile_models(state.models().values())
    return run, state


def build_model(plan: Plan, pretrained: bool) -> nn.Module:
    """Give the model with its initial weights; torch's generator has been seeded by the caller."""
    model: nn.Module = _option(plan.spec, "model", plan.shape, pretrained)
    return model


def build_task(spec: Spec, train_counts: tuple[int, ...], metrics: tuple[Metric, ...]) -> Task:
    """Give the task with its loss."""
    task: Task = _option(spec, "task", _option(spec, "loss", np.array(train_counts)), metrics)
    return task


def build_tta(spec: Spec) -> TTA:
    """Give the views of test-time augmentation."""
    tta: TTA = _option(spec, "tta")
    return tta


def store_of(prepared: Prepared, part: str, say: Callable[[str], None]) -> Store:
    """Give the decoded images of a part of the split, saying what is worth a line: how long it took, odd images.

    Raises:
        DataError: If an image cannot be used; what may be left out is out of the split by now.
    """
    store = prepared.train if part == "train" else None
    if store is None:
        store, bad = decode_part(prepared.manifest, prepared.split, part, prepared.plan.spec.settings, say)
        if bad:
            count = f"{len(bad)} of {len(store) + len(bad)} {part} images cannot be used"
            raise cannot_be_used(prepared.manifest, bad, count)
    if remarks := store.remarks(part):
        say(remarks)
    return store


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


def _normalize(spec: Spec, plan: Plan, store: Store, fingerprint: str) -> Affine:
    model = spec.parts["model"]
    source = Source(
        channels=plan.shape.channels,
        train_images=lambda: store.images,
        fingerprint=lambda: fingerprint,
        pretrained=options.load("model", model.option).pretrained_statistics(model.config),
    )
    affine: Affine = _option(spec, "normalize", source)
    return affine


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


def _strict_kernels(wanted: bool) -> None:
    """Let torch refuse kernels whose result depends on the order in which threads come, or allow them again."""
    if wanted:
        # cuBLAS reads it when CUDA starts: https://docs.nvidia.com/cuda/cublas/#results-reproducibility
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # The call takes long, since it imports a part of the compiler.
    if torch.are_deterministic_algorithms_enabled() != wanted:
        torch.use_deterministic_algorithms(wanted)


def _clip(max_norm: float) -> Callable[[list[Tensor]], object]:
    if max_norm == float("inf"):
        return lambda parameters: None
    return lambda parameters: nn.utils.clip_grad_norm_(parameters, max_norm)


def _meta(plan: Plan, model: nn.Module, normalize: Affine, pixels: dict[str, str]) -> dict[str, Any]:
    return {
        "run_id": plan.run_id,
        "classes": list(plan.data.classes),
        "data_fingerprint": plan.data.data_fingerprint,
        "split_fingerprint": plan.data.split_fingerprint,
        "pixels": pixels,
        "parameters": [f"{name} {tuple(value.shape)}" for name, value in model.state_dict().items()],
        "normalization": normalize.state(),
        "form": [plan.data.form.size, plan.data.form.channels, plan.data.form.fit],
        "precision": plan.training.precision,
        "environment": plan.environment,
        "code": plan.code,
    }

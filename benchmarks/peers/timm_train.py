"""timm's train.py: its data set, loader, optimizer, schedule, meters and checkpoints, in its loop's order.

The script itself is neither in timm's wheel nor in its source package (1.0.31), so this is a driver of the same
factories with the same arguments: create_dataset, create_loader with the prefetcher, create_optimizer_v2,
create_scheduler_v2, AverageMeter, CheckpointSaver, and loss.item() at every step. Two things differ: the list of
transforms is replaced by the workload's own (before ToNumpy, as timm's own lists end), and the rate is a step schedule
whose first step never comes.
Default: fp32. Best flags: --amp --amp-dtype bfloat16 --channels-last.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from argparse import Namespace

import torch
from folder import augmentation, centre
from job import MEAN, MOMENTUM, STD, Told, read
from network import create
from timm import utils
from timm.data import create_dataset, create_loader
from timm.data.transforms import ToNumpy
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from torch import nn
from torchvision.transforms import Compose

LOG_INTERVAL = 50
log = logging.getLogger("train")


def main() -> None:
    job = read()
    told = Told(job)
    utils.setup_default_logging()
    torch.set_num_threads(job.threads)
    device = torch.device("cpu")
    utils.random_seed(job.seed, 0)
    model = create(job.model, job.classes, job.size).to(device)
    if job.fast:
        model = model.to(memory_format=torch.channels_last)
    optimizer = create_optimizer_v2(model, opt="sgd", lr=job.lr, weight_decay=0.0, momentum=MOMENTUM)
    scheduler, _ = create_scheduler_v2(optimizer, sched="step", num_epochs=job.epochs, decay_epochs=10**6)
    # train.py takes a GradScaler for float16 alone.
    autocast = (
        functools.partial(torch.autocast, device_type=device.type, dtype=torch.bfloat16)
        if job.fast
        else contextlib.suppress
    )
    train, val = _loader(job, device, True), _loader(job, device, False)
    args = Namespace(model=job.model)
    saver = utils.CheckpointSaver(
        model, optimizer, args=args, checkpoint_dir=job.scratch, recovery_dir=job.scratch, max_history=10
    )
    for epoch in range(job.epochs):
        told.begin()
        images = _train_one_epoch(epoch, model, train, optimizer, scheduler, autocast, job.fast)
        told.end(images)
        top1 = _validate(model, val, autocast, job.fast)
        saver.save_checkpoint(epoch, metric=top1)
        if scheduler is not None:
            scheduler.step(epoch + 1, top1)
    told.write(top1 / 100)


def _loader(job, device, training):
    part = "train" if training else "val"
    dataset = create_dataset("", root=job.data, split=part, is_training=training, batch_size=job.batch)
    loader = create_loader(
        dataset,
        input_size=(3, job.size, job.size),
        batch_size=job.batch,
        is_training=training,
        color_jitter=0.0,
        interpolation="bilinear",
        mean=MEAN,
        std=STD,
        num_workers=job.workers,
        device=device,
        use_prefetcher=True,
        persistent_workers=job.workers > 0,
    )
    dataset.transform = Compose([*(augmentation(job) if training else centre(job)), ToNumpy()])
    return loader


def _train_one_epoch(epoch, model, loader, optimizer, scheduler, autocast, channels_last) -> int:
    loss_fn = nn.CrossEntropyLoss()
    batch_time, data_time, losses = utils.AverageMeter(), utils.AverageMeter(), utils.AverageMeter()
    model.train()
    images, updates = 0, epoch * len(loader)
    start = end = time.time()
    optimizer.zero_grad()
    for index, (image, target) in enumerate(loader):
        if channels_last:
            image = image.contiguous(memory_format=torch.channels_last)
        data_time.update(time.time() - end)
        with autocast():
            loss = loss_fn(model(image), target)
        loss.backward()
        optimizer.step()
        losses.update(loss.item(), image.size(0))
        optimizer.zero_grad()
        updates += 1
        images += image.size(0)
        batch_time.update(time.time() - start)
        if index % LOG_INTERVAL == 0 or index == len(loader) - 1:
            lr = sum(group["lr"] for group in optimizer.param_groups) / len(optimizer.param_groups)
            log.info(
                f"Train: {epoch} [{index:>4d}/{len(loader)}]  Loss: {losses.val:#.3g} ({losses.avg:#.3g})  "
                f"Time: {batch_time.val:.3f}s  LR: {lr:.3e}  Data: {data_time.val:.3f} ({data_time.avg:.3f})"
            )
        if scheduler is not None:
            scheduler.step_update(num_updates=updates, metric=losses.avg)
        start = end = time.time()
    return images


def _validate(model, loader, autocast, channels_last) -> float:
    loss_fn = nn.CrossEntropyLoss()
    losses, top1, top5 = utils.AverageMeter(), utils.AverageMeter(), utils.AverageMeter()
    model.eval()
    with torch.inference_mode():
        for image, target in loader:
            if channels_last:
                image = image.contiguous(memory_format=torch.channels_last)
            with autocast():
                output = model(image)
                loss = loss_fn(output, target)
            first, fifth = utils.accuracy(output, target, topk=(1, 5))
            losses.update(loss.item(), image.size(0))
            top1.update(first.item(), output.size(0))
            top5.update(fifth.item(), output.size(0))
    log.info(f"Test: Loss: {losses.avg:.4f}  Acc@1: {top1.avg:.3f}  Acc@5: {top5.avg:.3f}")
    return top1.avg


if __name__ == "__main__":
    main()

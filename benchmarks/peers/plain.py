"""A plain PyTorch program in the style of torchvision's references: ImageFolder, Pillow, one loop.

Default: fp32, the contiguous layout, SGD as it comes. Best flags: bf16 autocast, channels_last, fused SGD, workers that
live on. The first thing anybody writes, and what most papers' code is.
"""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path

import torch
from folder import loaders
from job import MOMENTUM, Told, read
from network import create
from torch.nn.functional import cross_entropy


def main() -> None:
    job = read()
    told = Told(job)
    torch.set_num_threads(job.threads)
    torch.manual_seed(job.seed)
    model = create(job.model, job.classes, job.size)
    bf16 = job.flags.get("precision", "bf16" if job.fast else "fp32") == "bf16"
    layout = torch.channels_last if job.fast else torch.contiguous_format
    model = model.to(memory_format=layout)
    autocast = functools.partial(torch.autocast, "cpu", torch.bfloat16) if bf16 else contextlib.nullcontext
    fused = {"fused": True} if job.fast else {}
    optimizer = torch.optim.SGD(model.parameters(), job.lr, MOMENTUM, nesterov=True, **fused)
    train, val = loaders(job)
    for epoch in range(job.epochs):
        model.train()
        told.begin()
        images, loss_sum = 0, 0.0
        for image, target in train:
            image = image.to(memory_format=layout)
            with autocast():
                loss = cross_entropy(model(image), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss_sum += loss.item() * len(target)
            images += len(target)
        told.end(images)
        score = accuracy(model, val, autocast, layout)
        print(f"epoch {epoch}: loss {loss_sum / images:.4f}, accuracy {score:.4f}")
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}
        torch.save(state, Path(job.scratch, "checkpoint.pth"))
    told.write(score)


def accuracy(model, val, autocast, layout) -> float:
    model.eval()
    right = total = 0
    with torch.inference_mode():
        for image, target in val:
            with autocast():
                logits = model(image.to(memory_format=layout))
            right += (logits.argmax(1) == target).sum().item()
            total += len(target)
    return right / total


if __name__ == "__main__":
    main()

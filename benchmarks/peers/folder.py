"""The loaders of a plain PyTorch program: ImageFolder, Pillow, transforms one image at a time, worker processes."""

from __future__ import annotations

from pathlib import Path

import torch
from job import MEAN, STD, Job
from torch.utils.data import DataLoader
from torchvision import datasets, transforms


def augmentation(job: Job) -> list:
    """Give the random changes of the job, on Pillow images."""
    if job.crop == "pad":
        crop = transforms.RandomCrop(job.size, padding=4 if job.size >= 16 else 1)
    else:
        crop = transforms.RandomResizedCrop(job.size)
    return [crop, transforms.RandomHorizontalFlip()] if job.hflip else [crop]


def centre(job: Job) -> list:
    """Give what an evaluation does to a Pillow image: nothing at the size of the files, else a central square."""
    return [] if job.crop == "pad" else [transforms.Resize(job.size), transforms.CenterCrop(job.size)]


def loaders(job: Job) -> tuple[DataLoader, DataLoader]:
    """Give the loaders of training and validation."""
    tensor = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    train = datasets.ImageFolder(Path(job.data, "train"), transforms.Compose([*augmentation(job), *tensor]))
    val = datasets.ImageFolder(Path(job.data, "val"), transforms.Compose([*centre(job), *tensor]))
    shared = {"batch_size": job.batch, "num_workers": job.workers}
    if job.fast:
        shared["persistent_workers"] = job.workers > 0
    generator = torch.Generator().manual_seed(job.seed)
    return (
        DataLoader(train, shuffle=True, drop_last=True, generator=generator, **shared),
        DataLoader(val, **shared),
    )

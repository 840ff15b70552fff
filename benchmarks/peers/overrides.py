"""The command line of cvrun for a job."""

from __future__ import annotations

from job import MOMENTUM, Job


def overrides(job: Job) -> list[str]:
    """Give the words after `cvrun train`, without output_root."""
    crop = ["augment=basic", f"augment.crop_padding={4 if job.size >= 16 else 1}"]
    if job.crop == "resized":
        crop = ["augment=imagenet"]
    words = [
        "name=bench",
        "data=folder",
        f"data.root={job.data}",
        f"data.size={job.size}",
        "split=official",
        "normalize=imagenet",
        *crop,
        f"augment.hflip={0.5 if job.hflip else 0.0}",
        "model=timm",
        f"model.name={job.model}",
        "optimizer=sgd_nesterov",
        f"optimizer.lr={job.lr}",
        f"optimizer.momentum={MOMENTUM}",
        "optimizer.weight_decay=0.0",
        "scheduler=constant",
        f"trainer.epochs={job.epochs}",
        f"trainer.batch_size={job.batch}",
        f"trainer.precision={job.flags.get('precision', 'auto')}",
        f"seed={job.seed}",
        f"workers={job.workers}",
    ]
    words += [f"{key}={value}" for key, value in job.flags.get("keys", {}).items()]
    return words

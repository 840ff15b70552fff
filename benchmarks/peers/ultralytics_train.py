"""Ultralytics' ClassificationTrainer, with its own model.

Default: fp32, as its check turns its amp off on a CPU. Best flags: cache=ram, no plots; amp=bf16 it refuses without
CUDA. Its own random changes are replaced by the workload's, its warmup, decay and accumulation are off, so that the
arithmetic is that of the others. Its averaged weights, which cannot be switched off, stay.
"""

from __future__ import annotations

import os
import warnings

from job import MEAN, MOMENTUM, STD, Job, Told, read


def trainer_class(job: Job):
    """Give its trainer, with the workload's random changes."""
    from folder import augmentation, centre
    from torchvision import transforms
    from ultralytics.models.yolo.classify import ClassificationTrainer

    class Trainer(ClassificationTrainer):
        def build_dataset(self, img_path, mode="train", batch=None):
            dataset = super().build_dataset(img_path, mode, batch)
            changes = augmentation(job) if mode == "train" else centre(job)
            tensor = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
            dataset.torch_transforms = transforms.Compose([*changes, *tensor])
            return dataset

    return Trainer


def main() -> None:
    job = read()
    told = Told(job)
    # Before it is imported: it looks for a network and installs packages otherwise.
    os.environ |= {"YOLO_CONFIG_DIR": job.scratch, "YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false"}
    warnings.filterwarnings("ignore")
    import torch

    torch.set_num_threads(job.threads)
    overrides = {
        "model": "yolo11n-cls.yaml",
        "data": job.data,
        "epochs": job.epochs,
        "batch": job.batch,
        "nbs": job.batch,
        "imgsz": job.size,
        "workers": job.workers,
        "optimizer": "SGD",
        "lr0": job.lr,
        "lrf": 1.0,
        "momentum": MOMENTUM,
        "weight_decay": 0.0,
        "warmup_epochs": 0.0,
        "seed": job.seed,
        "deterministic": False,
        "project": job.scratch,
        "device": "cpu",
        "pretrained": False,
    }
    # Its check of amp would fetch a model; on a CPU it ends with "off" in any case.
    overrides["amp"] = False
    if job.fast:
        overrides |= {"cache": "ram", "plots": False}
    trainer = trainer_class(job)(overrides=overrides)
    trainer.add_callback("on_train_epoch_start", lambda trainer: told.begin())
    trainer.add_callback("on_train_epoch_end", lambda trainer: told.end(len(trainer.train_loader.dataset)))
    trainer.train()
    told.write(float(trainer.metrics["metrics/accuracy_top1"]))


if __name__ == "__main__":
    main()

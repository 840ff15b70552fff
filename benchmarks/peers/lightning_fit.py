"""Lightning's Trainer over the plain program's loaders.

Default: the Trainer as it comes (bar, logger, checkpoints), loss in the bar. Best flags: precision="bf16-mixed",
channels_last, fused SGD, and no bar, logger, summary or checkpoint.
"""

from __future__ import annotations

import lightning
import torch
from folder import loaders
from job import MOMENTUM, Told, read
from network import create
from torch.nn.functional import cross_entropy


class Module(lightning.LightningModule):
    def __init__(self, job) -> None:
        super().__init__()
        self.job = job
        self.layout = torch.channels_last if job.fast else torch.contiguous_format
        self.model = create(job.model, job.classes, job.size).to(memory_format=self.layout)
        self.right = self.total = 0

    def training_step(self, batch, index):
        image, target = batch
        loss = cross_entropy(self.model(image.to(memory_format=self.layout)), target)
        self.log("train_loss", loss, prog_bar=not self.job.fast)
        return loss

    def on_validation_epoch_start(self) -> None:
        self.right = self.total = 0

    def validation_step(self, batch, index) -> None:
        image, target = batch
        logits = self.model(image.to(memory_format=self.layout))
        right = (logits.argmax(1) == target).sum()
        self.log("val_acc", right / len(target), batch_size=len(target))
        self.right += right.item()
        self.total += len(target)

    def configure_optimizers(self):
        fused = {"fused": True} if self.job.fast else {}
        return torch.optim.SGD(self.parameters(), self.job.lr, MOMENTUM, nesterov=True, **fused)


class Clock(lightning.Callback):
    """Lightning validates inside the training epoch, so the epoch's training ends with its last batch."""

    def __init__(self, told) -> None:
        self.told = told

    def on_train_epoch_start(self, trainer, module) -> None:
        self.told.begin()

    def on_train_batch_end(self, trainer, module, outputs, batch, index) -> None:
        if index == trainer.num_training_batches - 1:
            self.told.end(trainer.num_training_batches * self.told.job.batch)


def main() -> None:
    job = read()
    told = Told(job)
    torch.set_num_threads(job.threads)
    lightning.seed_everything(job.seed)
    train, val = loaders(job)
    quiet = {
        "precision": "bf16-mixed",
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
    }
    trainer = lightning.Trainer(
        max_epochs=job.epochs,
        accelerator="cpu",
        default_root_dir=job.scratch,
        num_sanity_val_steps=0,
        callbacks=[Clock(told)],
        **(quiet if job.fast else {}),
    )
    module = Module(job)
    trainer.fit(module, train, val)
    told.write(module.right / module.total)


if __name__ == "__main__":
    main()

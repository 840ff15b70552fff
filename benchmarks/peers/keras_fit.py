"""Keras 3 on its torch backend: Model.fit over the plain program's loaders, the network as a TorchModuleWrapper.

Default: fit as it comes (bar, accuracy). Best flags: no bar, and the network in bf16 autocast and channels_last inside
its wrapper, as Keras' own mixed precision does not reach into a torch module.
"""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
import torch
from folder import loaders
from job import MOMENTUM, Told, read
from network import create
from torch import nn


class Fast(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model.to(memory_format=torch.channels_last)

    def forward(self, image):
        with torch.autocast("cpu", torch.bfloat16):
            return self.model(image.to(memory_format=torch.channels_last)).float()


class Network(keras.Model):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.wrapped = keras.layers.TorchModuleWrapper(module)

    def call(self, image, training=None):
        return self.wrapped(image, training=training)


class Clock(keras.callbacks.Callback):
    def __init__(self, told, steps: int) -> None:
        super().__init__()
        self.told, self.steps = told, steps

    def on_epoch_begin(self, epoch, logs=None) -> None:
        self.told.begin()

    def on_train_batch_end(self, batch, logs=None) -> None:
        if batch == self.steps - 1:
            self.told.end(self.steps * self.told.job.batch)


def main() -> None:
    job = read()
    told = Told(job)
    torch.set_num_threads(job.threads)
    keras.utils.set_random_seed(job.seed)
    train, val = loaders(job)
    module = create(job.model, job.classes, job.size)
    model = Network(Fast(module) if job.fast else module)
    model.compile(
        optimizer=keras.optimizers.SGD(job.lr, MOMENTUM, nesterov=True),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    saves = keras.callbacks.ModelCheckpoint(f"{job.scratch}/checkpoint.weights.h5", save_weights_only=True)
    told_by = Clock(told, len(train))
    history = model.fit(
        train,
        validation_data=val,
        epochs=job.epochs,
        verbose=0 if job.fast else 1,
        callbacks=[told_by] if job.fast else [told_by, saves],
    )
    told.write(float(history.history["val_accuracy"][-1]))


if __name__ == "__main__":
    main()

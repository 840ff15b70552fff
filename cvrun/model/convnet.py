"""Small residual network of our own for small images (about 8 to 64 pixels), fast on a CPU.

A 3x3 stem, pooled to half the resolution or not, then stages of residual blocks; each stage after the first doubles
the channels and halves the resolution. The blocks are those of He et al. 2016 ("Deep Residual Learning for Image
Recognition", section 3.3) with two 3x3 convolutions, BatchNorm and ReLU. Global average pooling makes the network
independent of the image's size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cvrun.errors import ConfigError, require
from cvrun.model import Shape, _weights

MIN_SIZE = 4
"""The smallest image [pixels]."""


@dataclass(frozen=True)
class Config:
    """Keys of the network.

    Attributes:
        width: Channels of the first stage; each further stage has twice as many.
        blocks: Residual blocks of each stage.
        stem_pool: Whether the stem halves the resolution, which makes the network about three times as fast; for
            images of 32 pixels and more.
        drop_rate: Probability with which a pooled feature is set to zero in training.
        weights: A file of an earlier training that gives the initial weights, or None.
        head: What becomes of the classifier in that file: keep, reset or remap.
    """

    width: int
    blocks: tuple[int, ...]
    stem_pool: bool
    drop_rate: float
    weights: str | None
    head: str

    def __post_init__(self) -> None:
        """Check the ranges."""
        require(self.width >= 1, "width", self.width, "width >= 1 [channels]")
        valid = len(self.blocks) >= 1 and min(self.blocks) >= 1
        require(valid, "blocks", list(self.blocks), "at least one stage, each of at least one block")
        require(0 <= self.drop_rate < 1, "drop_rate", self.drop_rate, "0 <= drop_rate < 1")
        _weights.check(self.weights, self.head)


def build(config: Config, shape: Shape, pretrained: bool) -> nn.Module:
    """Give the network, with the weights of config's file if pretrained is true.

    Raises:
        ConfigError: If the images are smaller than 4 pixels, or there is no such file.
        CheckpointError: If the file is damaged, or belongs to another model or other classes.
    """
    if shape.size < MIN_SIZE:
        raise ConfigError(f"data.size={shape.size}: expected at least {MIN_SIZE} pixels for model=convnet")
    model = ConvNet(config, shape)
    if pretrained and config.weights:
        weights, head = _weights.read(config.weights), ("head",)
        state = _weights.fit(weights, model, ("stem.0",), head, config.head, shape.classes)
        _weights.load(model, state, weights.where, head)
    return model


def pretrained_statistics(config: Config) -> None:
    """Give None: the normalization is fitted to each run's own images, also for weights of an earlier one."""
    return


class ConvNet(nn.Module):
    """(B, C, H, W) float32 -> logits (B, K)."""

    def __init__(self, config: Config, shape: Shape) -> None:
        """Draw the weights: convolutions from He et al. 2015 (fan out), each block at first the identity."""
        super().__init__()
        channels, size = config.width, shape.size
        self.stem = nn.Sequential(_conv(shape.channels, channels, 1), nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
        if config.stem_pool:
            self.stem.append(nn.MaxPool2d(2))
            size //= 2
        layers: list[nn.Module] = []
        for stage, num_blocks in enumerate(config.blocks):
            for block in range(num_blocks):
                # A map of one pixel has no variance for BatchNorm when the batch is one image.
                stride = 2 if stage > 0 and block == 0 and size > 2 else 1
                layers.append(Block(channels, config.width * 2**stage, stride))
                channels, size = config.width * 2**stage, -(-size // stride)
        self.stages = nn.Sequential(*layers)
        self.dropout = nn.Dropout(config.drop_rate)
        self.head = nn.Linear(channels, shape.num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, image: Tensor) -> Tensor:
        """Give the logits (B, K) of images (B, C, H, W)."""
        features: Tensor = self.stages(self.stem(image))
        pooled = features.mean(dim=(2, 3))
        logits: Tensor = self.head(self.dropout(pooled))
        return logits


class Block(nn.Module):
    """relu(x + norm(conv(relu(norm(conv(x)))))); a 1x1 convolution fits x where the shape changes."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        """Make a block that changes the number of channels and divides the resolution by stride."""
        super().__init__()
        self.conv1 = _conv(channels_in, channels_out, stride)
        self.norm1 = nn.BatchNorm2d(channels_out)
        self.conv2 = _conv(channels_out, channels_out, 1)
        self.norm2 = nn.BatchNorm2d(channels_out)
        # Goyal et al. 2017, section 5.1: a block begins as the identity.
        nn.init.zeros_(self.norm2.weight)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = _shortcut(channels_in, channels_out, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Give (B, channels_out, ceil(H / stride), ceil(W / stride))."""
        y = torch.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return torch.relu(y + self.shortcut(x))


def _conv(channels_in: int, channels_out: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)


def _shortcut(channels_in: int, channels_out: int, stride: int) -> nn.Module:
    """Average, then a 1x1 convolution (He et al. 2019, "Bag of Tricks", ResNet-D): no pixel is skipped."""
    conv = nn.Conv2d(channels_in, channels_out, 1, bias=False)
    norm = nn.BatchNorm2d(channels_out)
    if stride == 1:
        return nn.Sequential(conv, norm)
    return nn.Sequential(nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False), conv, norm)

"""Models by name: timm's, and three of this suite's own that timm's registry then knows."""

from __future__ import annotations

from typing import Any

import timm
import torch
from timm.models import generate_default_cfgs, register_model
from torch import Tensor, nn

_CFG = {"input_size": (3, 32, 32), "classifier": "head", "first_conv": "stem.0"}
default_cfgs = generate_default_cfgs(
    {
        "bench_tiny.none": _CFG,
        "bench_resnet18_stem3.none": {"input_size": (3, 32, 32), "classifier": "fc", "first_conv": "conv1"},
        "bench_yolo11n_cls.none": {"input_size": (3, 32, 32), "classifier": "", "first_conv": ""},
    }
)


def create(name: str, classes: int, size: int) -> nn.Module:
    """Give a model with fresh weights, drawn from torch's generator."""
    fixed = {"img_size": size} if name.startswith("vit") else {}
    return timm.create_model(name, num_classes=classes, **fixed)


class Tiny(nn.Module):
    """Three convolutions and a linear layer, for 8x8 pixels."""

    def __init__(self, in_chans: int, num_classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_layer(in_chans, 16, 1))
        self.body = nn.Sequential(*_layer(16, 32, 2), *_layer(32, 64, 2))
        self.head = nn.Linear(64, num_classes)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.body(self.stem(image)).mean((2, 3)))


def _layer(channels_in: int, channels_out: int, stride: int) -> list[nn.Module]:
    conv = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
    return [conv, nn.BatchNorm2d(channels_out), nn.ReLU(inplace=True)]


@register_model
def bench_tiny(pretrained: bool = False, in_chans: int = 3, num_classes: int = 10, **_: Any) -> nn.Module:
    return Tiny(in_chans, num_classes)


@register_model
def bench_resnet18_stem3(pretrained: bool = False, in_chans: int = 3, num_classes: int = 10, **_: Any) -> nn.Module:
    """timm's resnet18 with the stem of CIFAR: a 3x3 convolution of stride 1 and no pooling."""
    model = timm.create_model("resnet18", in_chans=in_chans, num_classes=num_classes)
    model.conv1 = nn.Conv2d(in_chans, 64, 3, 1, 1, bias=False)
    nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
    model.maxpool = nn.Identity()
    return model


class Logits(nn.Module):
    """Ultralytics' classifier, which gives probabilities beside logits in evaluation, as logits alone."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> Tensor:
        found = self.model(image)
        return found if isinstance(found, Tensor) else found[1]


@register_model
def bench_yolo11n_cls(pretrained: bool = False, in_chans: int = 3, num_classes: int = 10, **_: Any) -> nn.Module:
    from ultralytics.nn.tasks import ClassificationModel

    with torch.no_grad():
        return Logits(ClassificationModel("yolo11n-cls.yaml", ch=in_chans, nc=num_classes, verbose=False))

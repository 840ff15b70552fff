"""Which sets data=torchvision knows, and where torchvision keeps their images, labels and parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Arguments = Mapping[str, Any]

_BY_FLAG: dict[str, Arguments] = {"train": {"train": True}, "test": {"train": False}}
_TWO: dict[str, Arguments] = {"train": {"split": "train"}, "test": {"split": "test"}}
_THREE: dict[str, Arguments] = {"train": {"split": "train"}, "val": {"split": "val"}, "test": {"split": "test"}}


@dataclass(frozen=True)
class Source:
    """Where a torchvision dataset object keeps what a Manifest needs.

    Attributes:
        parts: Part of the official split ("" without one) -> arguments of the class that give it.
        labels: Attribute with the class index of each image; "" when samples holds (path, label) pairs.
        images: Attribute with embedded images, or "".
        layout: "hwc", "chw" or "hw" (grey) of the embedded images.
        samples: Attribute with the paths, or with (path, label) pairs; "" when the images are embedded.
    """

    parts: Mapping[str, Arguments]
    labels: str = ""
    images: str = ""
    layout: str = ""
    samples: str = ""


_MNIST = Source(_BY_FLAG, labels="targets", images="data", layout="hw")
_CIFAR = Source(_BY_FLAG, labels="targets", images="data", layout="hwc")
_LISTED = Source(_TWO, labels="_labels", samples="_image_files")
_LISTED_THREE = Source(_THREE, labels="_labels", samples="_image_files")

SOURCES: dict[str, Source] = {
    "CIFAR10": _CIFAR,
    "CIFAR100": _CIFAR,
    "Country211": Source({**_THREE, "val": {"split": "valid"}}, samples="samples"),
    "DTD": _LISTED_THREE,
    "EuroSAT": Source({"": {}}, samples="samples"),
    "FGVCAircraft": _LISTED_THREE,
    "FashionMNIST": _MNIST,
    "Flowers102": _LISTED_THREE,
    "Food101": _LISTED,
    "GTSRB": Source(_TWO, samples="_samples"),
    "Imagenette": Source({"train": {"split": "train"}, "val": {"split": "val"}}, samples="_samples"),
    "KMNIST": _MNIST,
    "MNIST": _MNIST,
    "OxfordIIITPet": Source(
        {"train": {"split": "trainval"}, "test": {"split": "test"}}, labels="_labels", samples="_images"
    ),
    "RenderedSST2": Source(_THREE, samples="_samples"),
    "STL10": Source(_TWO, labels="labels", images="data", layout="chw"),
    "SVHN": Source(_TWO, labels="labels", images="data", layout="chw"),
    "USPS": _MNIST,
}
"""Name of the class in torchvision.datasets -> where its content lies."""

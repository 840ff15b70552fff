"""What is trained: a data set, a model and the numbers that every contender shares."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Workload:
    """A training that every contender does in the same way.

    Attributes:
        name: For the tables.
        data: cifar, photos or digits (images.py).
        size: [pixels] What the model sees.
        crop: pad (4 pixels of zeros, a crop of the image's size) or resized (random area and shape); both with a flip.
        model: A name of timm, or one of peers/network.py.
        train: [images] An epoch.
        val: [images] An evaluation, after every epoch.
        batch: [images] A step.
        epochs: Of which the first does not count for the rate.
        lr: Of SGD with Nesterov momentum 0.9, constant, without weight decay.
        hflip: Whether images are mirrored.
        rows: Labels of the contenders; none: all but Ultralytics.
    """

    name: str
    data: str
    size: int
    crop: str
    model: str
    train: int
    val: int
    batch: int
    epochs: int = 3
    lr: float = 0.05
    hflip: bool = True
    rows: tuple[str, ...] = ()

    def smaller(self) -> Workload:
        """Give the same in seconds, to see that it runs."""
        batch = min(self.batch, 64 if self.size < 100 else 4)
        return replace(self, train=min(self.train, 4 * batch), val=min(self.val, 2 * batch), batch=batch, epochs=2)


_PAIRS = ("plain loop", "timm", "lightning", "keras")
_BOTH = tuple(label for peer in _PAIRS for label in (peer, f"{peer}, best"))

SMALL = Workload("cifar, test_resnet", "cifar", 32, "pad", "test_resnet", 5_000, 1_000, 128)
RESNET18 = Workload(
    "cifar, resnet18",
    "cifar",
    32,
    "pad",
    "resnet18",
    2_560,
    500,
    128,
    rows=("cvrun", "cvrun, bf16", "tuned loop", *_BOTH),
)
STEM3 = Workload(
    "cifar, resnet18 with a 3x3 stem",
    "cifar",
    32,
    "pad",
    "bench_resnet18_stem3",
    400,
    100,
    64,
    2,
    rows=("cvrun", "cvrun, bf16", "plain loop", "timm", "timm, best"),
)
YOLO = Workload(
    "cifar, yolo11n-cls",
    "cifar",
    32,
    "pad",
    "bench_yolo11n_cls",
    2_560,
    500,
    128,
    rows=("cvrun", "cvrun, bf16", "plain loop", "ultralytics", "ultralytics, best"),
)
_FEWER = ("cvrun", "cvrun, bf16", "plain loop", "timm", "timm, best", "lightning, best", "keras, best")
_PHOTO_ROWS = {
    "resnet18": ("cvrun", "cvrun, first run", "cvrun, bf16", *_BOTH),
    "mobilenetv3_large_100": _FEWER,
    "vit_tiny_patch16_224": _FEWER,
}
"""timm's model -> who takes part: twenty minutes go into photographs as it is."""

PHOTOS = tuple(
    Workload(f"photos, {model}", "photos", 224, "resized", model, 96, 24, 16, 2, 0.01, rows=rows)
    for model, rows in _PHOTO_ROWS.items()
)
_DIGIT_ROWS = ("cvrun", "tuned loop", *_PAIRS)
DIGITS = Workload("digits, tiny net", "digits", 8, "pad", "bench_tiny", 1_437, 360, 64, 5, 0.05, False, _DIGIT_ROWS)

WORKLOADS = (SMALL, RESNET18, STEM3, YOLO, *PHOTOS, DIGITS)

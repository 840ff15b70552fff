"""Images a second of each augmentation, on a whole batch here and image by image in torchvision's v2 transforms.

Both work on the same uint8 images on one thread, in turn, ROUNDS times; torchvision's images are stacked to a batch
at the end. Seconds are those of the thread on its core, which other processes disturb less than the clock's. Printed
are medians, and the ratio of each round as median and range. The first row is the second again, so that the noise of
the machine shows. `--quick` runs each once on a few images.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torchvision
import yaml
from torchvision.transforms import v2

from cvrun.allocator import keep_freed
from cvrun.augment import standard
from cvrun.pipeline import Batch
from cvrun.rng import key, sample_keys
from cvrun.typed import to_dataclass

CONFIGS = Path(__file__).resolve().parents[1] / "configs" / "augment"
SIZES = ((32, 512), (224, 32))
ROUNDS = 7
CLASSES = 10

FLIPS = {"hflip": 0.5}
POLICIES = ("randaugment", "trivialaugment", "autoaugment")


def preset(name: str) -> dict:
    values = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
    del values["option"]
    return values


OFF = preset("standard") | {"hflip": 0.0}


def cases(size: int) -> dict[str, tuple[dict, Callable | None]]:
    """Row -> the keys that differ from everything off, and torchvision's transform of one image, or of a batch."""
    pad = size // 8
    crop = [v2.RandomHorizontalFlip(), v2.RandomCrop(size, padding=pad)]
    nearest, bilinear = v2.InterpolationMode.NEAREST, v2.InterpolationMode.BILINEAR
    turn = {"rotation": 15.0, "translation": 0.1, "zoom_min": 0.8, "zoom_max": 1.2, "shear_x": 10.0}
    affine = {"degrees": 15, "translate": (0.1, 0.1), "scale": (0.8, 1.2), "shear": 10}
    colour = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}
    to_float = v2.ToDtype(torch.float32)
    flip_and_crop = FLIPS | {"crop_padding": pad}
    return {
        "flip, crop again": (flip_and_crop, v2.Compose(crop)),
        "flip, crop": (flip_and_crop, v2.Compose(crop)),
        "affine, nearest": (turn, v2.RandomAffine(**affine, interpolation=nearest)),
        "affine, bilinear": (turn | {"interpolation": "bilinear"}, v2.RandomAffine(**affine, interpolation=bilinear)),
        "randaugment": ({"policy": "randaugment"}, v2.RandAugment()),
        "trivialaugment": ({"policy": "trivialaugment"}, v2.TrivialAugmentWide()),
        "autoaugment": ({"policy": "autoaugment"}, v2.AutoAugment()),
        "jitter": (colour, v2.ColorJitter(0.4, 0.4, 0.4, 0.1)),
        "jitter, no hue": (colour | {"hue": 0.0}, v2.ColorJitter(0.4, 0.4, 0.4)),
        "grey 0.2": ({"grey": 0.2}, v2.RandomGrayscale(0.2)),
        "lighting": ({"lighting": 0.1}, None),
        "blur 0.5": ({"blur": 0.5}, v2.RandomApply([v2.GaussianBlur(9)], 0.5)),
        "erasing 0.25": ({"erasing": 0.25, "erased": "zeros"}, v2.RandomErasing(0.25)),
        "cutout": ({"cutout": size // 2}, None),
        "mixup": ({"mixup_alpha": 0.2}, Whole(to_float, v2.MixUp(alpha=0.2, num_classes=CLASSES))),
        "cutmix": ({"cutmix_alpha": 1.0}, Whole(v2.CutMix(num_classes=CLASSES))),
        **{
            f"augment={name}": (preset(name), v2.Compose([*crop, policy]))
            for name, policy in zip(
                POLICIES,
                (v2.RandAugment(), v2.TrivialAugmentWide(), v2.AutoAugment(v2.AutoAugmentPolicy.CIFAR10)),
                strict=True,
            )
        },
    }


class Whole:
    """Transforms of a batch and its targets."""

    def __init__(self, *transforms):
        self.transforms = transforms

    def __call__(self, images: torch.Tensor, target: torch.Tensor):
        for transform in self.transforms[:-1]:
            images = transform(images)
        return self.transforms[-1](images, target)


def ours(changes: dict, batch: Batch, keys: torch.Tensor) -> Callable[[], object]:
    change = standard.build(to_dataclass(standard.Config, OFF | changes, "augment"), CLASSES).change
    return lambda: change(batch, keys)


def theirs(transform: Callable, batch: Batch) -> Callable[[], object]:
    images = batch.image.contiguous()
    if isinstance(transform, Whole):
        return lambda: transform(images, batch.target)
    singles = list(images)
    return lambda: torch.stack([transform(image) for image in singles])


def seconds(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began


def measure(size: int, num: int, rounds: int) -> None:
    image = torch.randint(0, 256, (num, size, size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    batch = Batch(image.permute(0, 3, 1, 2), torch.arange(num) % CLASSES, torch.arange(num))
    keys = sample_keys(key(0, "augment", 0), batch.index, torch.zeros_like(batch.index))
    for name, (changes, transform) in cases(size).items():
        mine = ours(changes, batch, keys)
        other = theirs(transform, batch) if transform else None
        mine()
        rows = [(seconds(mine), seconds(other) if other else float("nan")) for _ in range(rounds)]
        rate, peer = (num / statistics.median(column) for column in zip(*rows, strict=True))
        line = f"{name:<24}{rate:12,.0f}"
        if other:
            ratios = [b / a for a, b in rows]
            line += f"{peer:12,.0f}{statistics.median(ratios):8.1f}  ({min(ratios):.1f} to {max(ratios):.1f})"
        print(line)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few images, once")
    quick = parser.parse_args(arguments).quick
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    # As a run does; both sides gain.
    keep_freed(not quick)
    try:
        for size, num in SIZES:
            num, rounds = (4, 1) if quick else (num, ROUNDS)
            print(f"{size} px, batch {num}, {rounds} rounds, 1 thread")
            print(f"{'images a second':<24}{'cvrun':>12}{'torchvision':>12}{'ratio':>8}")
            measure(size, num, rounds)
    finally:
        torch.set_num_threads(threads)
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}")


if __name__ == "__main__":
    main()

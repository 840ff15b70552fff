"""The image folders: train/CLASS/*.jpg and val/CLASS/*.jpg, the same files for every contender."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"
PHOTO_SIZE = (640, 480)
"""Width and height of a photograph [pixels]."""

PHOTO_NAMES = ("china.jpg", "flower.jpg", "astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg")
"""Photographs that scikit-learn (the first two) and scikit-image ship; each is a class."""


def folder(kind: str, train: int, val: int, where: Path) -> Path:
    """Give the folder with the data set of a kind, made below where if it is not there yet.

    Raises:
        FileNotFoundError: If what it is made of is not on this machine.
    """
    path = where / f"{kind}-{train}-{val}"
    if path.is_dir():
        return path
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    {"cifar": _cifar, "photos": _photos, "digits": _digits}[kind](fresh, train, val)
    fresh.rename(path)
    return path


def _cifar(path: Path, train: int, val: int) -> None:
    """Unpack the first images of each class: every tenth goes to a class, as CIFAR-10 is balanced."""
    archive = SHARED / "cifar10-train.tar.gz"
    if not archive.is_file():
        raise FileNotFoundError(f"{archive} is not here")
    wanted = {"train": -(-train // 10), "val": -(-val // 10)}
    written: dict[tuple[str, str], int] = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            if not member.isfile() or not member.name.endswith((".jpg", ".jpeg")):
                continue
            name = Path(member.name)
            for part in ("val", "train"):
                done = written.get((part, name.parent.name), 0)
                if done < wanted[part]:
                    target = path / part / name.parent.name / name.name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(tar.extractfile(member).read())
                    written[part, name.parent.name] = done + 1
                    break


def _photos(path: Path, train: int, val: int) -> None:
    """Cut, mirror and tint a few real photographs until there are enough files of 640x480 pixels."""
    sources = photographs()
    if not sources:
        raise FileNotFoundError("neither scikit-learn nor scikit-image is here, which ship photographs")
    random = np.random.default_rng(0)
    for part, count in (("train", train), ("val", val)):
        for i in range(count):
            name, source = sources[i % len(sources)]
            target = path / part / name / f"{i:05d}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(variant(source, random))


def photographs() -> list[tuple[str, Image.Image]]:
    """Give the photographs that are here, by name."""
    found = []
    for name in PHOTO_NAMES:
        patterns = (f"sklearn/datasets/images/{name}", f"skimage/data/{name}")
        for env in (".venv", ".venv-peers"):
            paths = [p for pattern in patterns for p in ROOT.glob(f"{env}/lib/*/site-packages/{pattern}")]
            if paths:
                found.append((Path(name).stem, Image.open(paths[0]).convert("RGB")))
                break
    return found


def variant(source: Image.Image, random: np.random.Generator) -> bytes:
    """Give a JPEG of quality 92 of a part of source, mirrored or not, its colours shifted."""
    width, height = source.size
    share = random.uniform(0.6, 1.0)
    side = (int(width * share), int(height * share))
    left, top = int(random.uniform(0, width - side[0] + 1)), int(random.uniform(0, height - side[1] + 1))
    image = source.resize(PHOTO_SIZE, Image.Resampling.BICUBIC, box=(left, top, left + side[0], top + side[1]))
    if random.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Color, ImageEnhance.Contrast):
        image = enhance(image).enhance(random.uniform(0.7, 1.3))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def _digits(path: Path, train: int, val: int) -> None:
    from sklearn.datasets import load_digits

    data = load_digits()
    for i in range(train + val):
        part = "train" if i < train else "val"
        target = path / part / str(data.target[i]) / f"{i:05d}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((data.images[i] * 255 / 16).astype(np.uint8)).convert("RGB").save(target)

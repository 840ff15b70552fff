import bz2
import csv
import json
import pickle
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from numpy.typing import NDArray
from PIL import Image


class Picture:
    """Writes a small image, a different one for every path."""

    def __call__(self, path: Path, size: tuple[int, int] = (9, 7)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        colour = tuple(zlib.crc32(str(path).encode()).to_bytes(4, "big")[:3])
        Image.new("RGB", size, colour).save(path)
        return path


@pytest.fixture
def picture() -> Picture:
    return Picture()


Write = Callable[[Path, Any], None]


def draw(*shape: int) -> Any:
    return np.random.RandomState(sum(shape)).randint(0, 256, shape).astype(np.uint8)


def idx(name: str) -> Write:
    """Gives what writes MNIST's format (yann.lecun.com/exdb/mnist, "the IDX file format")."""

    def write(root: Path, _: Any) -> None:
        raw = root / name / "raw"
        raw.mkdir(parents=True)
        for seed, (part, count) in enumerate({"train": 12, "t10k": 5}.items()):
            draw = np.random.RandomState(seed)
            images: NDArray[np.uint8] = draw.randint(0, 256, (count, 28, 28)).astype(np.uint8)
            labels = (np.arange(count) % 10).astype(np.uint8)
            header = struct.pack(">IIII", 0x803, count, 28, 28)
            (raw / f"{part}-images-idx3-ubyte").write_bytes(header + images.tobytes())
            (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, count) + labels.tobytes())

    return write


def cifar(root: Path, base: str, files: dict[str, int], key: str, meta: tuple[str, str], num: int) -> None:
    folder = root / base
    folder.mkdir(parents=True)
    for name, count in files.items():
        entry = {"data": draw(count, 3072), key: [i % num for i in range(count)]}
        (folder / name).write_bytes(pickle.dumps(entry))
    (folder / meta[0]).write_bytes(pickle.dumps({meta[1]: [f"class {i}" for i in range(num)]}))


def cifar10(root: Path, _: Any) -> None:
    files = {f"data_batch_{i}": 3 + i for i in range(1, 6)} | {"test_batch": 5}
    cifar(root, "cifar-10-batches-py", files, "labels", ("batches.meta", "label_names"), 10)


def cifar100(root: Path, _: Any) -> None:
    cifar(root, "cifar-100-python", {"train": 12, "test": 5}, "fine_labels", ("meta", "fine_label_names"), 100)


def svhn(root: Path, _: Any) -> None:
    root.mkdir(exist_ok=True)
    for part, count in (("train", 12), ("test", 10)):
        labels = np.arange(1, count + 1) % 10 + 1
        scipy.io.savemat(root / f"{part}_32x32.mat", {"X": draw(32, 32, 3, count), "y": labels[:, None]})


def stl10(root: Path, _: Any) -> None:
    folder = root / "stl10_binary"
    folder.mkdir(parents=True)
    for part, count in (("train", 4), ("test", 3), ("unlabeled", 1)):
        (folder / f"{part}_X.bin").write_bytes(draw(count, 3, 96, 96).tobytes())
        (folder / f"{part}_y.bin").write_bytes(np.arange(1, count + 1, dtype=np.uint8).tobytes())
    (folder / "class_names.txt").write_text("\n".join(f"thing {i}" for i in range(10)))


def usps(root: Path, _: Any) -> None:
    root.mkdir(exist_ok=True)
    for name, count in (("usps.bz2", 10), ("usps.t.bz2", 4)):
        values = np.round(draw(count, 256) / 127.5 - 1, 4)
        lines = [f"{i + 1} " + " ".join(f"{k + 1}:{v}" for k, v in enumerate(row)) for i, row in enumerate(values)]
        (root / name).write_bytes(bz2.compress("\n".join(lines).encode()))


def flowers(root: Path, picture: Any) -> None:
    folder = root / "flowers-102"
    for i in range(1, 7):
        picture(folder / f"jpg/image_{i:05d}.jpg")
    scipy.io.savemat(folder / "imagelabels.mat", {"labels": np.array([[77, 1, 102, 5, 5, 1]])})
    parts = {"trnid": np.array([[2, 4]]), "valid": np.array([[1, 6]]), "tstid": np.array([[5, 3]])}
    scipy.io.savemat(folder / "setid.mat", parts)


def pets(root: Path, picture: Any) -> None:
    folder = root / "oxford-iiit-pet"
    kinds = ("Abyssinian", "american_bulldog", "Ragdoll")
    for part, start in (("trainval", 1), ("test", 100)):
        lines = []
        for label, kind in enumerate(kinds, start=1):
            for i in range(start, start + label):
                picture(folder / f"images/{kind}_{i}.jpg")
                lines.append(f"{kind}_{i} {label} 1 1")
        (folder / "annotations").mkdir(exist_ok=True)
        (folder / f"annotations/{part}.txt").write_text("\n".join(lines) + "\n")


def food(root: Path, picture: Any) -> None:
    folder = root / "food-101"
    (folder / "meta").mkdir(parents=True)
    for part in ("train", "test"):
        names = {label: [f"{label}/{part}{i}" for i in range(2)] for label in ("waffles", "apple_pie")}
        (folder / f"meta/{part}.json").write_text(json.dumps(names))
        for listed in names.values():
            for name in listed:
                picture(folder / f"images/{name}.jpg")


def dtd(root: Path, picture: Any) -> None:
    folder = root / "dtd/dtd"
    (folder / "labels").mkdir(parents=True)
    for part in ("train", "val", "test"):
        names = [f"{label}/{label}_{part}.jpg" for label in ("woven", "banded")]
        (folder / f"labels/{part}1.txt").write_text("\n".join(names) + "\n")
        for name in names:
            picture(folder / "images" / name)


def aircraft(root: Path, picture: Any) -> None:
    folder = root / "fgvc-aircraft-2013b/data"
    (folder / "images").mkdir(parents=True)
    (folder / "variants.txt").write_text("Boeing 707-320\nA300B4\n")
    for i, part in enumerate(("train", "val", "test")):
        (folder / f"images_variant_{part}.txt").write_text(f"00{i}1 A300B4\n00{i}2 Boeing 707-320\n")
        picture(folder / f"images/00{i}1.jpg")
        picture(folder / f"images/00{i}2.jpg")


def signs(root: Path, picture: Any) -> None:
    folder = root / "gtsrb"
    for label in range(3):
        picture(folder / f"GTSRB/Training/{label:05d}/00000_00000.ppm")
        picture(folder / f"GTSRB/Final_Test/Images/{label:05d}.ppm")
    with (folder / "GT-final_test.csv").open("w", newline="") as file:
        rows = csv.writer(file, delimiter=";")
        rows.writerows([["Filename", "Width", "ClassId"], *([f"{i:05d}.ppm", "9", str(2 - i)] for i in range(3))])


def tree(base: str, folders: tuple[str, ...], suffix: str) -> Write:
    def write(root: Path, picture: Any) -> None:
        for folder in folders:
            for i in range(2):
                picture(root / base / folder / f"{i}.{suffix}")

    return write


WRITE: dict[str, Write] = {
    **{name: idx(name) for name in ("MNIST", "FashionMNIST", "KMNIST")},
    "CIFAR10": cifar10,
    "CIFAR100": cifar100,
    "SVHN": svhn,
    "STL10": stl10,
    "USPS": usps,
    "Flowers102": flowers,
    "OxfordIIITPet": pets,
    "Food101": food,
    "DTD": dtd,
    "FGVCAircraft": aircraft,
    "GTSRB": signs,
    "EuroSAT": tree("eurosat/2750", ("Forest", "AnnualCrop"), "jpg"),
    "Country211": tree(
        "country211", tuple(f"{p}/{c}" for p in ("train", "valid", "test") for c in ("AD", "ZW")), "jpg"
    ),
    "RenderedSST2": tree(
        "rendered-sst2", tuple(f"{p}/{c}" for p in ("train", "valid", "test") for c in ("negative", "positive")), "png"
    ),
    "Imagenette": tree(
        "imagenette2", tuple(f"{p}/{c}" for p in ("train", "val") for c in ("n01440764", "n03888257")), "JPEG"
    ),
}


@pytest.fixture
def write_set(picture: Picture) -> Callable[[str, Path], None]:
    """Gives what writes a small set of torchvision's in the format that it has on disk."""

    def write(name: str, root: Path) -> None:
        WRITE[name](root, picture)

    return write

"""Every set is written in its own format on disk and compared with torchvision's dataset object, item by item."""

import bz2
import csv
import json
import os
import pickle
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torchvision.datasets
from PIL import Image

from cvrun.data import ImageForm, Manifest
from cvrun.data._torchvision_sets import SOURCES
from cvrun.data.torchvision import TIMEOUT, Config, build
from cvrun.errors import CvrunError, DataError

Write = Callable[[Path, Any], None]


def draw(*shape: int) -> Any:
    return np.random.RandomState(sum(shape)).randint(0, 256, shape).astype(np.uint8)


def load(name: str, root: Path | None, download: bool = False) -> Manifest:
    return build(Config(name, None if root is None else str(root), download, 16, 3, "crop"))


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
NAMES = {"Imagenette": ("tench", "parachute"), "GTSRB": ("0", "1", "2"), "USPS": tuple("0123456789")}
NAMES["SVHN"] = NAMES["USPS"]
IDX = ("MNIST", "FashionMNIST", "KMNIST")


@pytest.fixture(autouse=True)
def any_checksum(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets made data pass where torchvision knows the checksum of the real files."""
    for module in ("cifar", "svhn", "stl10", "flowers102"):
        monkeypatch.setattr(
            f"torchvision.datasets.{module}.check_integrity", lambda path, md5=None: os.path.isfile(path)
        )


@pytest.fixture(autouse=True)
def opened(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """Takes the network away; notes the time limit under which it was asked for."""
    limits: list[float | None] = []

    def refuse(*_: object, **__: object) -> None:
        limits.append(socket.getdefaulttimeout())
        raise urllib.error.URLError("no network\nhere")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    return limits


def make(name: str, root: Path, picture: Any, write_idx: Any) -> None:
    if name in IDX:
        write_idx(root, name)
    else:
        WRITE[name](root, picture)


@pytest.mark.parametrize("name", SOURCES)
def test_items_are_those_of_torchvision(name: str, tmp_path: Path, picture: Any, write_idx: Any) -> None:
    make(name, tmp_path, picture, write_idx)
    manifest = load(name, tmp_path)
    assert manifest.form == ImageForm(16, 3, "crop")
    at = 0
    for part, arguments in SOURCES[name].parts.items():
        reference = getattr(torchvision.datasets, name)(root=str(tmp_path), **arguments)
        assert len(reference) > 0
        for image, label in (reference[i] for i in range(len(reference))):
            assert manifest.labels[at] == label
            if manifest.official is not None:
                assert manifest.official[at] == part
            if manifest.images is not None:
                np.testing.assert_array_equal(
                    manifest.images[at].squeeze(-1) if image.mode == "L" else manifest.images[at], image
                )
            else:
                assert manifest.paths is not None
                assert manifest.paths[at] == tmp_path / manifest.ids[at]
                with Image.open(manifest.paths[at]) as opened_image:
                    np.testing.assert_array_equal(opened_image.convert("RGB"), image)
            at += 1
        assert manifest.classes == NAMES.get(name, tuple(getattr(reference, "classes", ())))
    assert at == len(manifest)
    assert (manifest.official is None) == (name == "EuroSAT")


def test_without_a_root_the_cache_folder_is_used(
    tmp_path: Path, write_idx: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CVRUN_CACHE", str(tmp_path))
    write_idx(tmp_path / "torchvision", "MNIST")
    assert len(load("MNIST", None)) == 17


@pytest.mark.parametrize("name", SOURCES)
def test_a_missing_set_says_how_to_fetch_it_and_stays_offline(
    name: str, tmp_path: Path, opened: list[float | None]
) -> None:
    with pytest.raises(DataError) as caught:
        load(name, tmp_path)
    message = str(caught.value)
    assert message.startswith(f"data.name={name}: is missing or damaged in {tmp_path} (")
    assert message.endswith("; set data.download=true to fetch it")
    assert "\n" not in message
    assert opened == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", SOURCES)
def test_a_failed_download_is_one_line(name: str, tmp_path: Path, opened: list[float | None]) -> None:
    with pytest.raises(DataError, match=f"^data.name={name}: could not be downloaded or read in ") as caught:
        load(name, tmp_path, download=True)
    assert "\n" not in str(caught.value)
    assert opened
    assert set(opened) == {TIMEOUT}
    assert socket.getdefaulttimeout() is None


def test_a_download_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usps(tmp_path / "server", None)

    def fetch(_: str, root: str, filename: str, md5: str) -> None:
        (Path(root) / filename).write_bytes((tmp_path / "server" / filename).read_bytes())

    monkeypatch.setattr("torchvision.datasets.usps.download_url", fetch)
    (tmp_path / "here").mkdir()
    assert len(load("USPS", tmp_path / "here", download=True)) == 14


@pytest.mark.parametrize("cut", [0, 3, 100])
def test_damaged_files_are_a_data_error(cut: int, tmp_path: Path, write_idx: Any) -> None:
    write_idx(tmp_path, "MNIST")
    file = tmp_path / "MNIST/raw/train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(DataError, match="^data.name=MNIST: is missing or damaged"):
        load("MNIST", tmp_path)


def test_a_listed_image_that_is_missing_is_named(tmp_path: Path, picture: Any) -> None:
    pets(tmp_path, picture)
    (tmp_path / "oxford-iiit-pet/images/Ragdoll_2.jpg").unlink()
    with pytest.raises(DataError, match=r"Ragdoll_2\.jpg is missing \(1 of 12 images\)"):
        load("OxfordIIITPet", tmp_path)


def test_parts_with_other_classes_are_refused(tmp_path: Path, picture: Any) -> None:
    dtd(tmp_path, picture)
    (tmp_path / "dtd/dtd/labels/val1.txt").write_text("woven/woven_val.jpg\n")
    with pytest.raises(DataError, match="val has other classes"):
        load("DTD", tmp_path)


def test_an_unknown_name_lists_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name=cifar10: expected one of CIFAR10, "):
        load("cifar10", tmp_path)


def test_a_wrong_root_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(CvrunError, match=r"^data\.root="):
        load("MNIST", tmp_path / "missing")

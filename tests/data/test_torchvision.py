"""Every set is written in its own format on disk and compared with torchvision's dataset object, item by item."""

import os
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision.datasets
from PIL import Image

from cvrun.data import ImageForm, Manifest
from cvrun.data._torchvision_sets import SOURCES
from cvrun.data.torchvision import TIMEOUT, Config, build
from cvrun.errors import CvrunError, DataError


def load(name: str, root: Path | None, download: bool = False) -> Manifest:
    return build(Config(name, None if root is None else str(root), download, 16, 3, "crop"))


NAMES = {"Imagenette": ("tench", "parachute"), "GTSRB": ("0", "1", "2"), "USPS": tuple("0123456789")}
NAMES["SVHN"] = NAMES["USPS"]


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


@pytest.mark.parametrize("name", SOURCES)
def test_items_are_those_of_torchvision(name: str, tmp_path: Path, write_set: Any) -> None:
    write_set(name, tmp_path)
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
    tmp_path: Path, write_set: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CVRUN_CACHE", str(tmp_path))
    write_set("MNIST", tmp_path / "torchvision")
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


def test_a_download_is_read(tmp_path: Path, write_set: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    write_set("USPS", tmp_path / "server")

    def fetch(_: str, root: str, filename: str, md5: str) -> None:
        (Path(root) / filename).write_bytes((tmp_path / "server" / filename).read_bytes())

    monkeypatch.setattr("torchvision.datasets.usps.download_url", fetch)
    (tmp_path / "here").mkdir()
    assert len(load("USPS", tmp_path / "here", download=True)) == 14


@pytest.mark.parametrize("cut", [0, 3, 100])
def test_damaged_files_are_a_data_error(cut: int, tmp_path: Path, write_set: Any) -> None:
    write_set("MNIST", tmp_path)
    file = tmp_path / "MNIST/raw/train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(DataError, match="^data.name=MNIST: is missing or damaged"):
        load("MNIST", tmp_path)


def test_a_listed_image_that_is_missing_is_named(tmp_path: Path, write_set: Any) -> None:
    write_set("OxfordIIITPet", tmp_path)
    (tmp_path / "oxford-iiit-pet/images/Ragdoll_2.jpg").unlink()
    with pytest.raises(DataError, match=r"Ragdoll_2\.jpg: missing \(1 of 12 images\)"):
        load("OxfordIIITPet", tmp_path)


def test_parts_with_other_classes_are_refused(tmp_path: Path, write_set: Any) -> None:
    write_set("DTD", tmp_path)
    (tmp_path / "dtd/dtd/labels/val1.txt").write_text("woven/woven_val.jpg\n")
    with pytest.raises(DataError, match="val has other classes"):
        load("DTD", tmp_path)


def test_an_unknown_name_lists_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name=cifar10: expected one of CIFAR10, "):
        load("cifar10", tmp_path)


def test_a_wrong_root_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(CvrunError, match=r"^data\.root="):
        load("MNIST", tmp_path / "missing")

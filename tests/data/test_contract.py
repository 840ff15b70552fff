"""What every source promises, for every YAML file on disk."""

import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from cvrun import options
from cvrun.data import SPLITS, Manifest
from cvrun.errors import CvrunError
from cvrun.typed import to_dataclass

CHOICES = options.choices("data")


def node(choice: str) -> dict[str, Any]:
    return dict(yaml.safe_load(CHOICES[choice].read_text()))


@pytest.fixture
def tiny(tmp_path: Path, picture: Any, write_set: Any) -> Callable[[str], dict[str, Any]]:
    """Gives what a source needs beside its YAML; makes the files."""

    def tree(root: Path = tmp_path) -> list[str]:
        names = [f"{label}/{i}.png" for label in ("cat", "dog") for i in range(3)]
        for name in names:
            picture(root / name)
        return names

    def make(option: str) -> dict[str, Any]:
        if option == "folder":
            tree()
        elif option == "csv":
            rows = [f"{name},{name.split('/')[0]}" for name in tree()]
            (tmp_path / "manifest.csv").write_text("\n".join(["path,label", *rows]))
        elif option == "webdataset":
            with tarfile.open(tmp_path / "train-0.tar", "w") as tar:
                for name in tree():
                    tar.add(tmp_path / name, name)
                    info = tarfile.TarInfo(name.replace(".png", ".cls"))
                    info.size = 3
                    tar.addfile(info, io.BytesIO(name[:3].encode()))
        elif option == "huggingface":
            # datasets takes the name of the root itself for that of a split.
            tree(tmp_path / "images")
            return {"root": str(tmp_path / "images")}
        elif option == "torchvision":
            write_set("MNIST", tmp_path)
            return {"root": str(tmp_path), "name": "MNIST"}
        else:
            return {}
        return {"root": str(tmp_path)}

    return make


def build(choice: str, extra: dict[str, Any]) -> Manifest:
    values = {**node(choice), **extra}
    module = options.load("data", values.pop("option"))
    return module.build(to_dataclass(module.Config, values, "data"))


def hashes(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file() and folder / "cache" not in path.parents]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_modules_and_yaml_files_match() -> None:
    assert {node(choice)["option"] for choice in CHOICES} == set(options.module_names("data"))


@pytest.mark.parametrize("choice", CHOICES)
def test_yaml_starts_with_the_option_and_holds_every_key(choice: str) -> None:
    lines = [line for line in CHOICES[choice].read_text().splitlines() if not line.startswith("#")]
    assert lines[0].startswith("option: ")
    assert all("#" in line for line in lines[1:])
    values = node(choice)
    to_dataclass(options.load("data", values.pop("option")).Config, values, "data")


@pytest.mark.parametrize("choice", CHOICES)
def test_a_manifest_is_whole_stable_and_leaves_the_data_alone(
    choice: str, tiny: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    extra = tiny(node(choice)["option"])
    before = hashes(tmp_path)
    first, second = build(choice, extra), build(choice, extra)
    everything = np.arange(len(first))
    assert first.fingerprint(everything) == second.fingerprint(everything)
    assert first.labels.dtype == np.int64
    assert first.counts(everything).sum() == len(first) == len(set(first.ids))
    assert set(first.official or ()) <= set(SPLITS)
    assert not any(name.startswith("/") or "\\" in name for name in first.ids)
    if first.images is not None:
        assert first.images.dtype == np.uint8
        assert first.images.ndim == 4
    elif first.encoded is not None:
        contents = [first.encoded.read(i) for i in range(len(first))]
        assert [first.encoded.size(i) for i in range(len(first))] == [len(content) for content in contents]
        assert len({first.encoded.origin(i) for i in range(len(first))}) == len(first)
        assert first.encoded.origin(0) == second.encoded.origin(0)  # type: ignore[union-attr]
    else:
        assert first.paths is not None
        assert all(path.is_file() for path in first.paths)
    assert hashes(tmp_path) == before


@pytest.mark.parametrize(("key", "value"), [("size", 0), ("size", -1), ("channels", 0), ("fit", "squash")])
@pytest.mark.parametrize("choice", CHOICES)
def test_the_form_is_checked_before_the_data(choice: str, key: str, value: object) -> None:
    with pytest.raises(CvrunError, match=f"^data.{key}={value}: expected"):
        build(choice, {key: value})


@pytest.mark.parametrize("choice", [choice for choice in CHOICES if choice in ("folder", "csv", "webdataset")])
def test_a_missing_root_names_the_key(choice: str) -> None:
    with pytest.raises(CvrunError, match=r"^data\.root=null: .*; set data\.root=FOLDER$") as caught:
        build(choice, {"root": None})
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("choice", [choice for choice in CHOICES if "root" in node(choice)])
@pytest.mark.parametrize("what", ["missing", "file", "nul"])
def test_a_wrong_root_is_a_data_error(choice: str, what: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    root = "/a\0b" if what == "nul" else str(tmp_path / what)
    with pytest.raises(CvrunError, match=r"^data\.root=.*expected the folder of the images") as caught:
        build(choice, {"root": root})
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)

"""What every split promises, for every YAML file on disk."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from cvrun import options
from cvrun.data import ImageForm, Manifest
from cvrun.errors import ConfigError, DataError
from cvrun.split import Split, checked
from cvrun.typed import to_dataclass

CHOICES = options.choices("split")


def node(choice: str) -> dict[str, Any]:
    return dict(yaml.safe_load(CHOICES[choice].read_text()))


def manifest(official: bool) -> Manifest:
    num = 120
    return Manifest(
        ids=tuple(str(i) for i in range(num)),
        labels=np.arange(num) % 3,
        classes=("a", "b", "c"),
        form=ImageForm(1, 1, "stretch"),
        images=np.zeros((num, 1, 1, 1), np.uint8),
        official=tuple("test" if i >= 100 else "train" for i in range(num)) if official else None,
    )


FILE = Path(tempfile.mkdtemp(prefix="cvrun-test-")) / "split.csv"
atexit.register(shutil.rmtree, FILE.parent)
FILE.write_text("id,part\n" + "".join(f"{i},{('train', 'val', 'test')[i % 3 if i < 9 else 0]}\n" for i in range(120)))


def build(choice: str, **changes: Any) -> Split:
    # The one key that has no value to begin with.
    given = {"file": str(FILE)} if choice == "frozen" else {}
    values = {**node(choice), **given, **changes}
    option = values.pop("option")
    module = options.load("split", option)
    split: Split = module.build(to_dataclass(module.Config, values, "split"), manifest(option == "official"))
    return split


def test_modules_and_yaml_files_match() -> None:
    assert {node(choice)["option"] for choice in CHOICES} == set(options.module_names("split"))


@pytest.mark.parametrize("choice", CHOICES)
def test_yaml_starts_with_the_option_and_explains_every_key(choice: str) -> None:
    lines = [line for line in CHOICES[choice].read_text().splitlines() if not line.startswith("#")]
    assert lines[0].startswith("option: ")
    assert all("#" in line for line in lines[1:])


@pytest.mark.parametrize("choice", CHOICES)
def test_parts_are_disjoint_complete_ascending_and_repeatable(choice: str) -> None:
    first, second = build(choice), build(choice)
    for name, part in first.parts().items():
        assert part.dtype == np.int64
        assert (np.diff(part) > 0).all()
        np.testing.assert_array_equal(part, second.parts()[name])
    together = np.concatenate(list(first.parts().values()))
    np.testing.assert_array_equal(np.sort(together), np.arange(120))


@pytest.mark.parametrize("choice", [choice for choice in CHOICES if "seed" in node(choice)])
def test_another_seed_gives_another_split(choice: str) -> None:
    assert build(choice, seed=1).val.tolist() != build(choice, seed=2).val.tolist()


@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan"), float("inf"), "ten"])
@pytest.mark.parametrize("choice", [choice for choice in CHOICES if "val" in node(choice)])
def test_sizes_are_checked(choice: str, value: object) -> None:
    with pytest.raises(ConfigError, match=r"^split\.val="):
        build(choice, val=value)


def files(folder: Path, names: Sequence[str]) -> Manifest:
    return Manifest(
        ids=tuple(names),
        labels=np.zeros(len(names), np.int64),
        classes=("a",),
        form=ImageForm(1, 1, "stretch"),
        paths=tuple(folder / name for name in names),
    )


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_file_lies_in_one_part_whatever_its_names(tmp_path: Path, link: Any) -> None:
    for name in ("0", "1", "2", "3"):
        (tmp_path / name).touch()
    link(tmp_path / "1", tmp_path / "again")
    link(tmp_path / "3", tmp_path / "other")
    data = files(tmp_path, ["0", "1", "again", "2", "3", "other"])
    together = Split(train=np.array([0, 1, 2]), val=np.array([3]), test=np.array([4, 5]))
    assert checked(data, together) is together
    with pytest.raises(DataError) as caught:
        checked(data, Split(train=np.array([0, 1]), val=np.array([2, 3]), test=np.array([4, 5])))
    assert str(caught.value) == (
        "split: '1' in train and 'again' in val are one file (1 such), expected every file in one part;"
        " take the link out"
    )


def test_files_that_are_not_there_are_not_taken_for_one(tmp_path: Path) -> None:
    split = Split(train=np.array([0]), val=np.array([1]), test=np.array([2]))
    assert checked(files(tmp_path, ["0", "1", "2"]), split) is split

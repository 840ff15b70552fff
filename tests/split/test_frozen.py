from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cvrun.data._hashed import hashed_name
from cvrun.errors import ConfigError, DataError
from cvrun.split import with_synthetic
from cvrun.split._file import content
from cvrun.split.frozen import Config, build
from cvrun.split.holdout import Config as HoldoutConfig
from cvrun.split.holdout import build as holdout


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "split.csv"
    path.write_text("id,part\n0,train\n1,train\n2,val\n3,test\n4,none\n")
    return path


def parts(split: Any) -> list[list[int]]:
    return [part.tolist() for part in (*split.parts().values(), split.out)]


def test_the_parts_are_those_of_the_file(make: Any, file: Path) -> None:
    assert parts(build(Config(str(file), "error"), make([0] * 5))) == [[0, 1], [2], [3], [4]]


def test_home_is_expanded(make: Any, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(file.parent))
    assert parts(build(Config("~/split.csv", "error"), make([0] * 5))) == [[0, 1], [2], [3], [4]]


def test_a_split_that_was_written_is_built_again(make: Any, tmp_path: Path) -> None:
    manifest = make([0] * 70 + [1] * 30)
    split = holdout(HoldoutConfig(0.2, 0.1, 5, True, False), manifest)
    path = tmp_path / "split.csv"
    path.write_bytes(content(manifest, split))
    assert parts(build(Config(str(path), "error"), manifest)) == parts(split)


def test_both_sides_are_compared_in_one_report(make: Any, file: Path) -> None:
    manifest = replace(make([0] * 7), ids=("0", "1", "2", "3", "x", "y", "z"))
    with pytest.raises(DataError) as caught:
        build(Config(str(file), "error"), manifest)
    assert str(caught.value) == (
        f"split.file={file}: 1 of its images are not in the source ('4'), and 3 images of the source are not in it"
        " ('x', 'y', 'z'), expected the images of the source;"
        " split.others=ignore leaves what it does not name in no part"
    )


def test_others_are_ignored_where_that_is_asked_for(make: Any, file: Path) -> None:
    assert parts(build(Config(str(file), "ignore"), make([0] * 8))) == [[0, 1], [2], [3], [4, 5, 6, 7]]


def test_a_name_that_the_source_does_not_have_is_never_ignored(make: Any, file: Path) -> None:
    with pytest.raises(DataError, match=r"1 of its images are not in the source \('4'\), expected"):
        build(Config(str(file), "ignore"), make([0] * 4))


def test_a_synthetic_image_joins_training_unless_the_file_leaves_it_out(make: Any, file: Path) -> None:
    manifest = replace(make([0] * 6), synthetic=np.array([False] * 4 + [True, True]))
    split = with_synthetic(manifest, build(Config(str(file), "error"), manifest))
    assert parts(split) == [[0, 1, 5], [2], [3], [4]]


def test_no_file_is_named(make: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"split\.file=null: expected a split file; split\.csv in the folder of a run"
    ):
        build(Config(None, "error"), make([0]))


def test_others_has_two_values() -> None:
    with pytest.raises(ValueError, match="others=drop"):
        Config("x", "drop")


def test_a_split_of_a_run_with_hidden_names_is_built_again(make: Any, tmp_path: Path) -> None:
    manifest = replace(make([0] * 70 + [1] * 30), ids=tuple(f"smith-{i}" for i in range(100)))
    split = holdout(HoldoutConfig(0.2, 0.1, 5, True, False), manifest)
    path = tmp_path / "split.csv"
    hidden = replace(manifest, ids=tuple(map(hashed_name, manifest.ids)))
    path.write_bytes(content(hidden, split))
    assert "smith" not in path.read_text()
    assert parts(build(Config(str(path), "error"), manifest)) == parts(split)

"""What a part holds before an image is asked for; tests/data/test_huggingface.py goes through the formats."""

import os
from pathlib import Path

import pytest

from cvrun.data._parts import is_saved, open_folder, open_parquet, open_saved
from cvrun.errors import DataError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
datasets = pytest.importorskip("datasets")


def test_columns_of_several_parquet_files(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": [b"0"], "age": [1]}), tmp_path / "a[1].parquet")
    pq.write_table(pa.table({"image": [b"1"], "age": [None]}), tmp_path / "b.parquet")
    (part,) = open_parquet(tmp_path, {"train": ["a[1].parquet", "b.parquet"]}, None, "image")
    assert part.count == 2
    assert part.plain["age"].to_pylist() == [1, None]
    assert set(part.plain) == {"age"}
    assert set(part.kinds) == {"image", "age"}
    assert part.images().to_pylist() == [b"0", b"1"]
    before = part.stamp
    pq.write_table(pa.table({"image": [b"2"], "age": [3]}), tmp_path / "b.parquet")
    (part,) = open_parquet(tmp_path, {"train": ["a[1].parquet", "b.parquet"]}, None, "image")
    assert part.stamp != before
    assert part.images().to_pylist() == [b"0", b"2"]


def test_a_parquet_file_with_the_same_length_and_time_of_change_is_another_one(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    found = []
    for content in (b"0", b"1"):
        pq.write_table(pa.table({"image": [content], "age": [1]}), path)
        os.utime(path, ns=(10**18, 10**18))
        (part,) = open_parquet(tmp_path, {"train": ["a.parquet"]}, None, "image")
        found.append((path.stat().st_size, part.stamp, part.images().to_pylist()))
    assert found[0][0] == found[1][0] and found[0][1] != found[1][1]
    assert [images for _, _, images in found] == [[b"0"], [b"1"]]


def test_parquet_files_that_do_not_fit_together(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": [b"0"], "age": [1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"image": [b"1"], "age": ["x"]}), tmp_path / "b.parquet")
    with pytest.raises(DataError, match="cannot be read"):
        open_parquet(tmp_path, {"train": ["a.parquet", "b.parquet"]}, None, "image")


def test_what_save_to_disk_wrote(tmp_path: Path) -> None:
    assert not is_saved(tmp_path)
    whole = datasets.DatasetDict({"train": datasets.Dataset.from_dict({"image": [b"0"], "site": ["a"]})})
    whole.save_to_disk(str(tmp_path / "data"))
    assert is_saved(tmp_path / "data")
    (part,) = open_saved(tmp_path / "data", ["train"], "image")
    assert (part.name, part.count) == ("train", 1)
    assert part.images().to_pylist() == [b"0"]
    (tmp_path / "data/dataset_dict.json").write_text('{"splits": ["train", "../data/train"]}')
    with pytest.raises(DataError, match="no split 'test', expected one of train"):
        open_saved(tmp_path / "data", ["test"], "image")


def test_archives_and_addresses_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/images.zip").write_bytes(b"PK\5\6" + bytes(18))
    with pytest.raises(DataError, match=r"images.zip, expected files in the folder, unpacked|cannot be read"):
        open_folder(tmp_path / "data", None, ["train"], "image")
    (tmp_path / "data/images.zip").unlink()
    (tmp_path / "data/train.parquet").write_bytes(b"")
    (tmp_path / "data/README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files: https://example.org/x.parquet\n---\n"
    )
    with pytest.raises(DataError, match=r"^data\.root="):
        open_folder(tmp_path / "data", None, ["train"], "image")

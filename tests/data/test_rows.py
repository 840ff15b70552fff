"""Images in Arrow columns that are made here; tests/data/test_huggingface.py reads those of real files."""

from pathlib import Path
from typing import Any

import pytest

from cvrun.data._parts import Part
from cvrun.data._rows import Rows, holds_images

pa = pytest.importorskip("pyarrow")


def part(root: Path, name: str, *chunks: list[Any]) -> Part:
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    column = pa.chunked_array([pa.array(chunk, kind) for chunk in chunks], kind)
    return Part(name, root, len(column), {}, {}, {}, lambda: column, "stamp")


def image(content: bytes | None, path: str | None = None) -> dict[str, Any]:
    return {"bytes": content, "path": path}


def test_positions_run_through_parts_and_chunks(tmp_path: Path) -> None:
    rows = Rows(
        [
            part(tmp_path, "train", [image(b"0"), image(b"11")], [], [image(b"222")]),
            part(tmp_path, "val", [image(b"3333")]),
        ]
    )
    assert [rows.read(i) for i in range(4)] == [b"0", b"11", b"222", b"3333"]
    assert [rows.size(i) for i in range(4)] == [1, 2, 3, 4]
    assert [rows.origin(i) for i in (0, 2, 3)] == ["stamp train 0", "stamp train 2", "stamp val 0"]


def test_a_part_without_rows(tmp_path: Path) -> None:
    rows = Rows([part(tmp_path, "train"), part(tmp_path, "val", [image(b"3")])])
    assert rows.read(0) == b"3"


def test_paths_lie_in_the_folder_of_the_data_set(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "a/0.png").write_bytes(b"inside")
    (tmp_path / "secret").write_bytes(b"outside")
    (root / "link.png").symlink_to(tmp_path / "secret")
    paths = ["a/0.png", str(root / "a/0.png"), "../secret", str(tmp_path / "secret"), "link.png"]
    paths += ["https://example.org/x.png", "none.png", ""]
    rows = Rows([part(root, "train", [image(None, path) for path in paths])])
    for i in (0, 1):
        assert rows.read(i) == b"inside"
        assert rows.size(i) == 6
    for i in (2, 3, 4, 5):
        with pytest.raises(OSError, match="train row . has no|its image lies outside of the data set"):
            rows.read(i)
        assert rows.size(i) == 0
    for i in (6, 7):
        with pytest.raises(FileNotFoundError):
            rows.read(i)
        assert rows.size(i) == 0
    before = rows.origin(0)
    (root / "a/0.png").write_bytes(b"changed")
    assert rows.origin(0) != before


def test_a_missing_value(tmp_path: Path) -> None:
    rows = Rows([part(tmp_path, "train", [None, image(b"1")])])
    assert rows.read(1) == b"1"
    assert rows.size(0) == 0
    with pytest.raises(FileNotFoundError, match="train row 0: no image"):
        rows.read(0)


def test_a_column_of_bytes(tmp_path: Path) -> None:
    column = pa.chunked_array([pa.array([b"0", None, b""])])
    rows = Rows([Part("train", tmp_path, 3, {}, {}, {}, lambda: column, "stamp")])
    assert rows.read(0) == b"0"
    assert rows.read(2) == b""
    assert [rows.size(i) for i in range(3)] == [1, 0, 0]
    with pytest.raises(FileNotFoundError):
        rows.read(1)


def test_types_of_images() -> None:
    assert holds_images(pa.binary())
    assert holds_images(pa.large_binary())
    assert holds_images(pa.struct({"path": pa.string(), "bytes": pa.binary()}))
    assert not holds_images(pa.struct({"path": pa.string()}))
    assert not holds_images(pa.string())

import builtins
import io
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cvrun.data import Manifest, folder
from cvrun.data.huggingface import Config, build
from cvrun.errors import CvrunError, DataError
from cvrun.pipeline.memory import build_store

datasets = pytest.importorskip("datasets")

CONFIG = Config(
    root=None,
    name=None,
    config_name=None,
    revision=None,
    download=False,
    train="train",
    val=None,
    test=None,
    image_column="image",
    label_column="label",
    group_column=None,
    classes=None,
    size=8,
    channels=3,
    fit="crop",
)

FEATURES = {
    "image": datasets.Image(),
    "label": datasets.ClassLabel(names=["dog", "cat"]),
    "site": datasets.Value("string"),
    "age": datasets.Value("int32"),
}


def png(value: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4 + value, 4), (value, 2 * value, 255)).save(file, "PNG")
    return file.getvalue()


def table(start: int, count: int) -> Any:
    rows = range(start, start + count)
    values = {
        "image": [{"bytes": png(i), "path": None} for i in rows],
        "label": [i % 2 for i in rows],
        "site": [f"s{i % 3}" for i in rows],
        "age": [None if i == start else i for i in rows],
    }
    return datasets.Dataset.from_dict(values, features=datasets.Features(FEATURES))


def saved(root: Path) -> Path:
    datasets.DatasetDict({"train": table(0, 6), "test": table(10, 4)}).save_to_disk(str(root))
    return root


def parquet(root: Path) -> Path:
    (root / "data").mkdir(parents=True)
    table(0, 4).to_parquet(root / "data/train-00000-of-00002.parquet")
    table(4, 2).to_parquet(root / "data/train-00001-of-00002.parquet")
    table(10, 4).to_parquet(root / "data/test-00000-of-00001.parquet")
    return root


MAKE: dict[str, Callable[[Path], Path]] = {"saved": saved, "parquet": parquet}


def load(root: Path, **changes: Any) -> Manifest:
    return build(replace(CONFIG, root=str(root), **changes))


def contents(manifest: Manifest) -> list[bytes]:
    assert manifest.encoded is not None
    return [manifest.encoded.read(i) for i in range(len(manifest))]


def refused(root: Path | None, **changes: Any) -> str:
    with pytest.raises(CvrunError) as caught:
        build(replace(CONFIG, root=None if root is None else str(root), **changes))
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.mark.parametrize("kind", MAKE)
def test_rows_become_entries(kind: str, tmp_path: Path) -> None:
    root = MAKE[kind](tmp_path / "data")
    before = sorted(path for path in root.rglob("*"))
    manifest = load(root, test="test", group_column="site")
    assert manifest.ids[:2] == ("train/000000", "train/000001")
    assert manifest.ids[-1] == "test/000003"
    assert manifest.classes == ("dog", "cat")
    assert manifest.labels.tolist() == [0, 1] * 5
    assert manifest.official == ("train",) * 6 + ("test",) * 4
    assert manifest.groups == manifest.columns["site"] == ("s0", "s1", "s2") * 2 + ("s1", "s2", "s0", "s1")
    assert manifest.columns["age"] == ("", "1", "2", "3", "" if kind == "parquet" else "4", "5", "", "11", "12", "13")
    assert contents(manifest) == [png(i) for i in (*range(6), *range(10, 14))]
    assert manifest.encoded is not None
    assert [manifest.encoded.size(i) for i in (0, 9)] == [len(png(0)), len(png(13))]
    assert len({manifest.encoded.origin(i) for i in range(10)}) == 10
    assert sorted(path for path in root.rglob("*")) == before


@pytest.mark.parametrize("kind", MAKE)
def test_a_single_split_has_no_official_parts(kind: str, tmp_path: Path) -> None:
    manifest = load(MAKE[kind](tmp_path / "data"))
    assert manifest.official is None
    assert len(manifest) == 6


def test_a_saved_table_without_splits_is_all_train(tmp_path: Path) -> None:
    table(0, 3).save_to_disk(str(tmp_path / "one"))
    assert contents(load(tmp_path / "one")) == [png(0), png(1), png(2)]
    assert "no split 'test', expected one of train" in refused(tmp_path / "one", test="test")


def test_a_folder_of_images(tmp_path: Path, image_folder: Path) -> None:
    source = folder.build(folder.Config(str(image_folder), 8, 3, "crop", None, None))
    manifest = load(image_folder)
    assert manifest.classes == source.classes
    np.testing.assert_array_equal(manifest.labels, source.labels)
    assert contents(manifest) == [path.read_bytes() for path in source.paths or ()]
    stores = [build_store(found, np.arange(60), 2, 60.0, lambda _: None) for found in (source, manifest)]
    assert stores[0].digest() == stores[1].digest()
    assert manifest.encoded is not None
    before = manifest.encoded.origin(0)
    (image_folder / "cat/00.png").write_bytes(png(9))
    assert manifest.encoded.origin(0) != before


def test_a_folder_of_images_with_a_table(tmp_path: Path) -> None:
    (tmp_path / "data/train").mkdir(parents=True)
    for i in range(3):
        (tmp_path / f"data/train/{i}.png").write_bytes(png(i))
    rows = [{"file_name": f"{i}.png", "kind": f"k{i % 2}", "site": i} for i in range(3)]
    (tmp_path / "data/train/metadata.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    manifest = load(tmp_path / "data", label_column="kind")
    assert manifest.classes == ("k0", "k1")
    assert manifest.columns == {"site": ("0", "1", "2")}
    assert contents(manifest) == [png(0), png(1), png(2)]


def test_labels_that_are_text_or_numbers(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "data").mkdir()
    columns = {"image": [png(0), png(1)], "label": [10, 9], "name": ["b", "a"]}
    pq.write_table(pa.table(columns), tmp_path / "data/train.parquet")
    assert load(tmp_path / "data").classes == ("9", "10")
    manifest = load(tmp_path / "data", label_column="name")
    assert manifest.classes == ("a", "b")
    assert manifest.columns == {"label": ("10", "9")}
    assert contents(manifest) == [png(0), png(1)]
    assert load(tmp_path / "data", label_column="name", classes=("b", "a")).labels.tolist() == [0, 1]
    assert "class 'b', expected one of data.classes (a, c)" in refused(
        tmp_path / "data", label_column="name", classes=("a", "c")
    )


def test_columns_that_cannot_be_written_as_text_are_left_out(tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    odd = pa.array([0, 1], pa.timestamp("us", tz="Nowhere/X"))
    rows = pa.table({"image": [png(0), png(1)], "label": ["a", "b"], "site": ["s", "t"], "when": odd})
    (tmp_path / "data").mkdir()
    pq.write_table(rows, tmp_path / "data/train.parquet")
    manifest = load(tmp_path / "data")
    assert manifest.classes == ("a", "b") and dict(manifest.columns) == {"site": ("s", "t")}
    with pytest.raises(DataError, match=r"column 'when' holds timestamp\[us, tz=Nowhere/X\], expected a group"):
        load(tmp_path / "data", group_column="when")


def test_columns_of_one_name_are_left_out(tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = [pa.array([png(0)]), pa.array(["a"]), pa.array(["s"]), pa.array([[1]])]
    (tmp_path / "data").mkdir()
    twice = pa.Table.from_arrays(columns, names=["image", "label", "site", "site"])
    pq.write_table(twice, tmp_path / "data/train.parquet")
    manifest = load(tmp_path / "data")
    assert manifest.classes == ("a",) and manifest.columns == {}
    with pytest.raises(DataError, match="has no such column, expected one of image, label"):
        load(tmp_path / "data", group_column="site")


def test_rows_without_a_label_are_counted(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    values = {"image": [png(i) for i in range(4)], "label": [0, -1, None, 1], "who": ["a", "", "b", "\x1b"]}
    features = {"image": datasets.Value("binary"), "label": FEATURES["label"], "who": datasets.Value("string")}
    datasets.Dataset.from_dict(values, features=datasets.Features(features)).to_parquet(tmp_path / "data/train.parquet")
    message = refused(tmp_path / "data")
    assert f"{tmp_path}/data row train/1, column 'label': '', expected a class name" in message
    assert message.endswith("2 defects in 2 rows: train/1, train/2")
    assert refused(tmp_path / "data", group_column="who").endswith("4 defects in 3 rows: train/1, train/2, train/3")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"image_column": "img"},
            "data.image_column=img: split 'train' of .* has no such column, expected one of",
        ),
        ({"label_column": "lable"}, r"has no such column, .*; did you mean 'label'\?"),
        (
            {"label_column": "image"},
            "data.label_column=image: .* holds struct.*, expected text, whole numbers",
        ),
        ({"image_column": "site"}, "data.image_column=site: .* holds string, expected images"),
        ({"train": "trian"}, r"no split 'trian', expected one of train, test; did you mean 'train'\?"),
        ({"val": "train", "train": "test"}, ""),
    ],
)
@pytest.mark.parametrize("kind", MAKE)
def test_wrong_columns_and_splits(kind: str, tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    root = MAKE[kind](tmp_path / "data")
    if not expected:
        assert load(root, **changes).official == ("train",) * 4 + ("val",) * 6
        return
    with pytest.raises(DataError, match=expected):
        load(root, **changes)


def test_root_or_name() -> None:
    assert refused(None).startswith("data.root=null, data.name=null: expected one of them")
    assert refused(Path("/x"), name="a/b").startswith("data.root and data.name are both set: expected one of them")
    for name in ("../x", "/x", "a/b/c", "", "a b", "hf://a/b"):
        with pytest.raises(ValueError, match="expected owner/name"):
            replace(CONFIG, name=name)
    with pytest.raises(ValueError, match="another split for each"):
        replace(CONFIG, test="train")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("x.csv", b"a,b\n1,2\n", "holds csv files, expected Parquet, images"),
        ("x.tar", b"", "cannot be read|holds webdataset files, .*data=webdataset"),
        ("train.parquet", b"PAR1", "cannot be read"),
        ("x.txt", b"text", "holds text files|cannot be read"),
        ("state.json", b"{", "cannot be read"),
        ("dataset_dict.json", b"[]", "cannot be read"),
        ("README", b"", "cannot be read"),
    ],
)
def test_folders_that_hold_something_else(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"^data\.root=.*({expected})"):
        load(tmp_path / "data")


def test_any_thread_may_read(tmp_path: Path) -> None:
    encoded = load(parquet(tmp_path / "data")).encoded
    assert encoded is not None
    wrong: list[int] = []

    def work() -> None:
        wrong.extend(i for i in range(6) if encoded.read(i) != png(i))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a5_images_of_the_test_split_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cvrun.data import _parts

    opened = []
    real = _parts._Converted.__call__
    monkeypatch.setattr(_parts._Converted, "__call__", lambda self: (opened.append(self._split), real(self))[1])
    manifest = load(parquet(tmp_path / "data"), test="test")
    assert opened == []
    manifest.fingerprint(np.arange(6))
    build_store(manifest, np.arange(6), 2, 60.0, lambda _: None)
    assert opened == ["train"]


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "datasets":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert refused(tmp_path) == (
        "data=huggingface: needs the package datasets, which is not installed; pip install 'cvrun[huggingface]'"
    )


def test_a_training_from_parquet_is_that_from_the_folder(tmp_path: Path, image_folder: Path, call: Any) -> None:
    source = folder.build(folder.Config(str(image_folder), 8, 3, "crop", None, None))
    features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=list(source.classes))}
    images = [{"bytes": path.read_bytes(), "path": None} for path in source.paths or ()]
    values = {"image": images, "label": source.labels.tolist()}
    (tmp_path / "data").mkdir()
    made = datasets.Dataset.from_dict(values, features=datasets.Features(features))
    made.to_parquet(tmp_path / "data/train.parquet")
    words = ["trainer.epochs=2", "trainer.batch_size=16", "data.size=8", "model.width=4", "model.blocks=[1]"]
    scores = []
    for option, root in (("folder", image_folder), ("huggingface", tmp_path / "data")):
        said = call("train", f"data={option}", f"data.root={root}", f"name={option}", *words)
        assert said.code == 0, said.err
        records = next((tmp_path / "outputs" / option).glob("*/records.jsonl")).read_text().splitlines()
        scores.append([{k: v for k, v in json.loads(r).items() if "/" in k and "time" not in k} for r in records])
    assert [r["val/accuracy"] for r in scores[0] if "val/accuracy" in r]
    assert scores[0] == scores[1]

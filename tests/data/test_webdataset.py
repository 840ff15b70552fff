import io
import json
import os
import tarfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cvrun.data import Manifest, folder
from cvrun.data.webdataset import Config, build
from cvrun.errors import ConfigError, CvrunError, DataError
from cvrun.pipeline.memory import build_store
from cvrun.split import holdout

CONFIG = Config(
    root=None,
    train="train-*.tar",
    val=None,
    test=None,
    image_keys=("jpg", "jpeg", "png"),
    label_key="cls",
    group_key=None,
    columns=None,
    classes=None,
    size=8,
    channels=3,
    fit="crop",
)


def pack(path: Path, *entries: tuple[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def samples(*labels: str) -> list[tuple[str, bytes]]:
    return [e for i, label in enumerate(labels) for e in ((f"{i}.png", b"image %d" % i), (f"{i}.cls", label.encode()))]


def load(root: Path, **changes: Any) -> Manifest:
    return build(replace(CONFIG, root=str(root), **changes))


def contents(manifest: Manifest) -> list[bytes]:
    assert manifest.encoded is not None
    return [manifest.encoded.read(i) for i in range(len(manifest))]


def refused(root: Path, **changes: Any) -> str:
    with pytest.raises(CvrunError) as caught:
        load(root, **changes)
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_samples_in_the_order_of_the_shards(tmp_path: Path) -> None:
    pack(tmp_path / "train-1.tar", *samples("cat"))
    pack(tmp_path / "train-0.tar", *samples("dog", "cat"))
    manifest = load(tmp_path)
    assert manifest.ids == ("train-0/0", "train-0/1", "train-1/0")
    assert manifest.classes == ("cat", "dog")
    assert manifest.labels.tolist() == [1, 0, 0]
    assert contents(manifest) == [b"image 0", b"image 1", b"image 0"]
    assert manifest.encoded is not None
    assert [manifest.encoded.size(i) for i in range(3)] == [7, 7, 7]
    assert len({manifest.encoded.origin(i) for i in range(3)}) == 3
    assert manifest.official is None
    assert manifest.groups is None


def test_shards_of_several_parts_are_an_official_split(tmp_path: Path) -> None:
    for name in ("train-000000", "train-000001", "val-00", "sub/test"):
        pack(tmp_path / f"{name}.tar", *samples("a", "b"))
    manifest = load(tmp_path, train="train-{000000..000001}.tar", val="val-*.tar", test="sub/test.tar")
    assert manifest.official == ("train",) * 4 + ("val",) * 2 + ("test",) * 2
    assert manifest.ids[-1] == "sub/test/1"


def test_labels_groups_and_columns_of_a_json_member(tmp_path: Path) -> None:
    objects = [
        {"label": 3, "slide": "s1", "site": "rome", "age": 61.0, "boxes": [1]},
        {"label": "12", "slide": 2, "site": None, "age": 0.5, "boxes": []},
    ]
    entries = [(f"{i}.jpg", b"x") for i in range(2)] + [
        (f"{i}.json", json.dumps(o).encode()) for i, o in enumerate(objects)
    ]
    pack(tmp_path / "train-0.tar", *entries)
    manifest = load(tmp_path, label_key="json:label", group_key="json:slide", columns=("site", "age", "boxes"))
    assert manifest.classes == ("3", "12")
    assert manifest.groups == ("s1", "2")
    assert manifest.columns == {"site": ("rome", ""), "age": ("61", "0.5"), "boxes": ("", "")}


def test_names_in_folders_hidden_files_and_notes(tmp_path: Path) -> None:
    entries = [
        ("./a/0.PNG", b"1"),
        ("./a/0.cls", b" dog\n"),
        ("a/0.seg.png", b"2"),
        ("b/0.png", b"3"),
        ("b/0.cls", b"cat"),
    ]
    entries += [("./._0.png", b"4"), (".hidden/0.png", b"5"), ("__info__", b"{}"), ("README", b"6")]
    manifest = load(pack(tmp_path / "train-0.tar", *entries).parent)
    assert manifest.ids == ("train-0/a/0", "train-0/b/0")
    assert contents(manifest) == [b"1", b"3"]
    assert manifest.labels.tolist() == [1, 0]


def test_a_label_is_a_name_or_an_index_of_explicit_classes(tmp_path: Path) -> None:
    pack(tmp_path / "train-0.tar", *samples("dog", "0", "1", "cat"))
    manifest = load(tmp_path, classes=("dog", "cat"))
    assert manifest.labels.tolist() == [0, 0, 1, 1]
    pack(tmp_path / "train-0.tar", *samples("dog", "2", "ctt", "cat"))
    message = refused(tmp_path, classes=("dog", "cat"))
    assert (
        f"{tmp_path} sample train-0/1, label 'cls': '2', expected one of data.classes (dog, cat) or 0 to 1" in message
    )
    assert message.endswith("2 defects in 2 samples: train-0/1, train-0/2")


@pytest.mark.parametrize(
    ("entries", "changes", "expected"),
    [
        ([("0.png", b"")], {}, "sample train-0/0: 'png', expected a member 'cls' as well"),
        ([("0.cls", b"a")], {}, "sample train-0/0: 'cls', expected one image that ends in jpg, jpeg, png, got 0"),
        (
            [("0.cls", b"a"), ("0.png", b""), ("0.jpg", b"")],
            {},
            "expected one image that ends in jpg, jpeg, png, got 2",
        ),
        ([("0.png", b""), ("0.cls", b"")], {}, "member 'cls': '', expected a class name or index"),
        ([("0.png", b""), ("0.cls", b"\xff")], {}, "expected a class name or index in UTF-8"),
        ([("0.png", b""), ("0.cls", b"\x1b[31m")], {}, "'\\x1b[31m', expected a class name or index without control"),
        ([("0.png", b""), ("0.cls", b"a" * 5000)], {}, "member 'cls': '5000 bytes', expected at most 4096"),
        ([("0.png", b""), ("0.json", b"{" * 9)], {"label_key": "json:y"}, "member 'json': '', expected JSON"),
        ([("0.png", b""), ("0.json", b"[" * 200_000)], {"label_key": "json:y"}, "member 'json': '', expected JSON"),
        ([("0.png", b""), ("0.json", b"[1]")], {"label_key": "json:y"}, "'list', expected a JSON object"),
        ([("0.png", b""), ("0.json", b'{"x": 1}')], {"label_key": "json:y"}, "expected it in the object, among: x"),
        (
            [("0.png", b""), ("0.json", b'{"y": 1.5}')],
            {"label_key": "json:y"},
            "'1.5', expected a class name or index, a text",
        ),
        (
            [("0.png", b""), ("0.json", b'{"y": true}')],
            {"label_key": "json:y"},
            "'true', expected a class name or index, a",
        ),
        ([("0.png", b""), ("0.json", b'{"y": " "}')], {"label_key": "json:y"}, "field 'y': '', expected a class name"),
        ([("0.png", b""), ("0.json", b" " * (1 << 21))], {"label_key": "json:y"}, "'2097152 bytes', expected at most"),
        ([("0.png", b""), ("0.cls", b"a")], {"group_key": "grp"}, "expected a member 'grp' as well"),
        ([("../0.png", b"")], {}, "member '../0.png', expected a relative name without '..'"),
        ([("/0.png", b"")], {}, "member '/0.png', expected a relative name"),
        ([("0\n.png", b"")], {}, "member '0\\n.png', expected a relative name without '..' and control characters"),
        ([("0.png", b""), ("./0.png", b"")], {}, "'0.png' stands in it twice, expected each file once"),
    ],
)
def test_defects(tmp_path: Path, entries: list[tuple[str, bytes]], changes: dict[str, Any], expected: str) -> None:
    pack(tmp_path / "train-0.tar", *entries)
    assert expected in refused(tmp_path, **changes)


def test_defects_of_all_shards_are_one_report(tmp_path: Path) -> None:
    pack(tmp_path / "train-0.tar", ("0.png", b""), ("1.png", b""), *samples("a")[:0])
    pack(tmp_path / "train-1.tar", ("0.cls", b"a"))
    message = refused(tmp_path)
    assert message.endswith("; 3 defects in 3 samples: train-0/0, train-0/1, train-1/0")
    for name in ("train-0.tar", "train-1.tar"):
        (tmp_path / name).write_bytes(b"\1" * 2000)
    assert refused(tmp_path).endswith("; 2 of 2 shards: train-0, train-1")


@pytest.mark.parametrize("name", ["train.tar.gz", "train.tgz", "train.tar.zst"])
def test_compressed_shards_are_refused_with_a_hint(tmp_path: Path, name: str) -> None:
    pack(tmp_path / name, *samples("a"))
    assert refused(tmp_path, train="train.*") == (
        f"{name}: expected plain .tar shards (1 others); unpack it (gunzip): no image in the middle of a compressed "
        "shard can be reached"
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"train": None}, "data.train=null: expected the shards of the train part"),
        ({"train": "none-*.tar"}, "data.train=none-*.tar: no file in "),
        ({"train": "train-{0..2}.tar"}, "data.train=train-{0..2}.tar: train-2.tar is missing in "),
        ({"test": "train-1.tar"}, "train-1.tar: the shard is listed twice, as train-1.tar"),
        ({"test": "link.tar"}, "link.tar: the shard is listed twice, as train-1.tar"),
        ({"image_keys": ()}, "data.image_keys=[]: expected endings of names"),
        ({"label_key": "json:"}, "data.label_key=json:: expected an ending such as cls, or json:FIELD"),
    ],
)
def test_wrong_keys(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    for i in range(2):
        pack(tmp_path / f"train-{i}.tar", *samples("a"))
    (tmp_path / "link.tar").symlink_to("train-1.tar")
    try:
        found = refused(tmp_path, **changes)
    except ValueError as error:
        found = f"data.{error}"
    assert found.startswith(expected)


def test_any_thread_may_read_and_a_changed_shard_is_noticed(tmp_path: Path) -> None:
    pack(tmp_path / "train-0.tar", *[(f"{i}.{end}", b"%d" % i * i) for i in range(50) for end in ("png", "cls")][2:])
    manifest = load(tmp_path)
    encoded = manifest.encoded
    assert encoded is not None
    wrong: list[int] = []

    def work() -> None:
        for i in range(49):
            if encoded.read(i) != b"%d" % (i + 1) * (i + 1):
                wrong.append(i)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    os.utime(tmp_path / "train-0.tar", ns=(1, 1))
    with pytest.raises(OSError, match="train-0.tar was changed meanwhile"):
        encoded.read(0)


def test_a5_of_test_shards_no_byte_of_an_image_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for part in ("train-0", "test"):
        images = [(f"{i}.png", bytes([65 + i]) * 5000) for i in range(3)]
        pack(tmp_path / f"{part}.tar", *[e for i in range(3) for e in (images[i], (f"{i}.cls", b"a"))])
    with tarfile.open(tmp_path / "test.tar") as tar:
        spans = [(m.offset_data, m.offset_data + m.size) for m in tar if m.name.endswith(".png")]
    real, read = os.pread, []

    def pread(descriptor: int, count: int, offset: int) -> bytes:
        read.append((os.readlink(f"/proc/self/fd/{descriptor}"), offset, offset + count))
        return real(descriptor, count, offset)

    monkeypatch.setattr(os, "pread", pread)
    manifest = load(tmp_path, test="test.tar")
    of_test = [(start, end) for path, start, end in read if path.endswith("/test.tar")]
    assert len(of_test) > 6
    assert not [1 for start, end in of_test for low, high in spans if start < high and low < end]
    read.clear()
    assert contents(manifest)[3] == b"A" * 5000
    assert ("test.tar", *spans[0]) in [(os.path.basename(path), start, end) for path, start, end in read]


def test_a_shard_is_listed_from_the_cache_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shard = pack(tmp_path / "data/train-0.tar", *samples("a", "b"))
    opened = []
    real = tarfile.open
    monkeypatch.setattr(tarfile, "open", lambda *a, **k: (opened.append(1), real(*a, **k))[1])
    first, second = load(shard.parent), load(shard.parent)
    assert len(opened) == 1
    assert first.ids == second.ids
    assert contents(first) == contents(second)
    load(shard.parent, label_key="cls", image_keys=("png",))
    assert len(opened) == 2
    pack(shard, *samples("a", "b", "c"))
    opened.clear()
    assert len(load(shard.parent)) == 3
    assert len(opened) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: "[[1",
        lambda text: text[: len(text) // 2],
        lambda text: "[" * 100_000,
        lambda text: text.replace("512", "-9", 1),
        lambda text: text.replace("512", "9" * 17, 1),
        lambda text: text.replace('"a"', '"b"', 1),
        lambda text: text.partition("\n")[2],
        lambda text: "\udcff",
    ],
    ids=["empty", "other", "cut", "deep", "negative", "huge", "label", "unchecked", "no text"],
)
def test_a_listing_that_is_not_as_it_was_written_is_made_anew(tmp_path: Path, damage: Any) -> None:
    shard = pack(tmp_path / "data/train-0.tar", *samples("a", "b"))
    first = load(shard.parent)
    (kept,) = (tmp_path / "cache/shards").iterdir()
    intact = kept.read_text()
    damaged = damage(intact)
    assert damaged != intact
    kept.write_bytes(damaged.encode(errors="surrogateescape"))
    again = load(shard.parent)
    assert (again.ids, again.labels.tolist()) == (first.ids, first.labels.tolist())
    assert contents(again) == [b"image 0", b"image 1"]
    assert kept.read_text() == intact


def test_a_listing_of_another_shard_is_not_used(tmp_path: Path) -> None:
    for i, label in enumerate("ab"):
        pack(tmp_path / f"data/train-{i}.tar", *samples(label))
    first = load(tmp_path / "data")
    one, other = sorted((tmp_path / "cache/shards").iterdir())
    one.write_bytes(other.read_bytes())
    assert load(tmp_path / "data").labels.tolist() == first.labels.tolist()


def test_a_shard_with_the_same_length_and_time_of_change_is_another_one(tmp_path: Path) -> None:
    shard = pack(tmp_path / "data/train-0.tar", *samples("a", "b"))
    before, times = load(shard.parent), (shard.stat().st_atime_ns, shard.stat().st_mtime_ns)
    pack(shard, *samples("c", "b"))
    os.utime(shard, ns=times)
    after = load(shard.parent)
    assert after.classes == ("b", "c")
    assert before.encoded is not None and after.encoded is not None
    assert before.encoded.origin(0) != after.encoded.origin(0)


def test_two_members_whose_endings_differ_in_case_are_a_defect(tmp_path: Path) -> None:
    entries = [("x/a.png", b"1"), ("x/a.PNG", b"2"), ("x/a.cls", b"cat"), ("b.png", b"3"), ("b.cls", b"dog")]
    pack(tmp_path / "train-0.tar", *entries)
    said = refused(tmp_path)
    assert "train-0/x/a: 'a.png, a.PNG', expected each ending once, in either case" in said


def test_endings_count_in_either_case(tmp_path: Path) -> None:
    pack(tmp_path / "train-0.tar", ("a.PNG", b"1"), ("a.Cls", b"cat"), ("a.grp", b"p1"))
    manifest = load(tmp_path, image_keys=("Png",), label_key="CLS", group_key="Grp")
    assert (manifest.ids, manifest.classes, manifest.groups) == (("train-0/a",), ("cat",), ("p1",))


def test_what_webdatasets_own_writer_writes_is_read(tmp_path: Path, image_folder: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    source = folder.build(folder.Config(str(image_folder), 8, 3, "crop", None, None))
    with webdataset.ShardWriter(str(tmp_path / "train-%06d.tar"), maxcount=25, verbose=0) as writer:
        for name, label in zip(source.ids, source.labels.tolist(), strict=True):
            writer.write({"__key__": name[:-4], "png": (image_folder / name).read_bytes(), "cls": label})
    manifest = load(tmp_path, train="train-{000000..000002}.tar", classes=source.classes)
    assert [name.split("/", 1)[1] + ".png" for name in manifest.ids] == list(source.ids)
    assert manifest.classes == source.classes
    np.testing.assert_array_equal(manifest.labels, source.labels)
    assert contents(manifest) == [path.read_bytes() for path in source.paths or ()]


def shards_of(root: Path, to: Path) -> Manifest:
    """Put an image folder into shards of 25; give the folder's manifest."""
    source = folder.build(folder.Config(str(root), 8, 3, "crop", None, None))
    for start in range(0, len(source), 25):
        names = source.ids[start : start + 25]
        entries = [(name, (root / name).read_bytes()) for name in names]
        entries += [(f"{name[:-4]}.cls", name.split("/")[0].encode()) for name in names]
        pack(to / f"train-{start:04d}.tar", *entries)
    return source


def test_pixels_labels_and_splits_are_those_of_the_folder(tmp_path: Path, image_folder: Path) -> None:
    source = shards_of(image_folder, tmp_path / "shards")
    manifest = load(tmp_path / "shards")
    np.testing.assert_array_equal(manifest.labels, source.labels)
    every = np.arange(60)
    stores = [build_store(found, every, 2, 60.0, lambda _: None) for found in (source, manifest)]
    assert stores[0].digest() == stores[1].digest()
    parts = [holdout.build(holdout.Config(0.2, 0.2, 0, True, False), found).parts() for found in (source, manifest)]
    for name, rows in parts[0].items():
        np.testing.assert_array_equal(rows, parts[1][name])


def test_a_training_from_shards_is_that_from_the_folder(tmp_path: Path, image_folder: Path, call: Any) -> None:
    shards_of(image_folder, tmp_path / "shards")
    words = ["trainer.epochs=2", "trainer.batch_size=16", "data.size=8", "model.width=4", "model.blocks=[1]"]
    scores = []
    for option, root in (("folder", image_folder), ("webdataset", tmp_path / "shards")):
        said = call("train", f"data={option}", f"data.root={root}", f"name={option}", *words)
        assert said.code == 0, said.err
        records = next((tmp_path / "outputs" / option).glob("*/records.jsonl")).read_text().splitlines()
        scores.append([{k: v for k, v in json.loads(r).items() if "/" in k and "time" not in k} for r in records])
    assert [r["val/accuracy"] for r in scores[0] if "val/accuracy" in r]
    assert scores[0] == scores[1]


def test_errors_have_their_exit_codes(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        load(tmp_path, train="../x.tar")
    with pytest.raises(DataError):
        load(tmp_path)

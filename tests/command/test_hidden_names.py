"""data.hash_ids=true: whatever happens to a run, nobody who reads it or its output learns the name of a patient."""

import csv
import io
import json
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from cvrun.privacy import hashed_name

NAMES = ("smith", "jones", "brown", "taylor", "walker", "davies", "evans", "thomas", "roberts", "lewis")
QUICK = ("data.size=8", "model.width=4", "trainer.epochs=2", "trainer.batch_size=8", "workers=0", "split.grouped=true")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """60 images of ten patients; the names are in folders, files and the column of the groups."""
    root = tmp_path_factory.mktemp("table")
    random = np.random.default_rng(0)
    rows = []
    for number in range(60):
        name = NAMES[number % 10]
        path = root / f"scans/patient-{name}/{name}_{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        label = number // 10 % 2
        Image.fromarray((random.integers(0, 120, (9, 9, 3)) + 100 * label).astype(np.uint8)).save(path)
        rows.append((path.relative_to(root).as_posix(), ("well", "ill")[label], f"{name}, anna", "north"))
    with (root / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "patient", "site"), *rows])
    return root


@pytest.fixture
def root(table, tmp_path):
    return shutil.copytree(table, tmp_path / "data")


@pytest.fixture
def words(root):
    groups = ("data=csv", f"data.root={root}", "data.group_by=patient", "data.hash_ids=true")
    return (*groups, *QUICK, "split.val=0.3", "split.test=0.2")


def of_train(root, tmp_path):
    """The file of a training image, found by its hash."""
    (list_,) = tmp_path.glob("outputs/*/*/data.csv")
    with list_.open(newline="") as file:
        parts = {row["id"]: row["part"] for row in csv.DictReader(file)}
    paths = sorted(path for path in (root / "scans").rglob("*.png"))
    return next(path for path in paths if parts[hashed_name(path.relative_to(root).as_posix())] == "train")


def told(*texts: bytes | str) -> list[str]:
    """The names that stand in any of texts."""
    lower = [text.lower() if isinstance(text, str) else text.lower().decode("latin-1") for text in texts]
    return [name for name in NAMES for text in lower if name in text]


def contents(folder):
    """The content of every file below a folder, and of what is packed in it."""
    for path in folder.rglob("*"):
        yield path.as_posix()
        if not path.is_file():
            continue
        content = path.read_bytes()
        yield content
        if zipfile.is_zipfile(io.BytesIO(content)):
            with zipfile.ZipFile(io.BytesIO(content)) as packed:
                for entry in packed.namelist():
                    inside = packed.read(entry)
                    yield inside
                    if entry.endswith(".npy"):
                        yield str(np.load(io.BytesIO(inside)).tolist())


def silent(said, tmp_path, code=0):
    assert said.code == code, said.err
    assert told(said.out, said.err) == []
    assert told(*contents(tmp_path / "outputs")) == []


def test_the_search_finds_names_where_they_are_not_hidden(call, words, root, tmp_path):
    """What the other tests rely on."""
    said = call("train", *words, "data.hash_ids=false")
    assert said.code == 0
    assert set(told(*contents(tmp_path / "outputs"))) == set(NAMES)
    (npz,) = tmp_path.glob("outputs/*/*/predictions/val.npz")
    assert told(*contents(npz.parent)) != []


def test_m23_no_name_is_in_a_run_its_sweep_or_its_evaluation(call, words, root, tmp_path):
    silent(call("check", *words), tmp_path)
    silent(call("train", *words), tmp_path)
    (folder,) = tmp_path.glob("outputs/run/*")
    saved = np.load(folder / "predictions/val.npz")["ids"].tolist()
    assert {len(name) for name in saved} == {16}
    groups = json.loads(call("eval", folder, "--by", "patient", "--by", "group", "--json").out)["by"]
    assert groups["patient"] == groups["group"]
    silent(call("eval", folder, "--by", "patient", "--by", "site"), tmp_path)
    silent(call("resume", folder, "trainer.epochs=3"), tmp_path)
    silent(call("train", *words, "-m", "seed=1,2"), tmp_path)
    silent(call("runs"), tmp_path)


def test_m23_nor_where_images_are_left_out(call, words, root, tmp_path):
    assert call("train", *words).code == 0
    of_train(root, tmp_path).write_bytes(b"no image")
    shutil.rmtree(tmp_path / "outputs")
    said = call("train", *words, "skip_unreadable=0.1")
    silent(said, tmp_path)
    assert "training images cannot be used and are left out" in said.err
    (file,) = tmp_path.glob("outputs/run/*/unreadable.csv")
    with file.open(newline="") as rows:
        (row,) = csv.DictReader(rows)
    assert len(row["path"]) == 16


@pytest.mark.parametrize("cache", ["ram", "disk", "off"])
def test_m23_nor_where_an_image_ends_the_run(call, words, root, tmp_path, cache):
    assert call("train", *words).code == 0
    path = of_train(root, tmp_path)
    path.write_bytes(b"no image")
    shutil.rmtree(tmp_path / "outputs")
    said = call("train", *words, f"cache={cache}")
    silent(said, tmp_path, 3)
    assert hashed_name(path.relative_to(root).as_posix()) in said.err


def test_m23_nor_where_a_file_has_gone(call, words, root, tmp_path):
    assert call("train", *words).code == 0
    path = of_train(root, tmp_path)
    path.unlink()
    said = call("train", *words)
    silent(said, tmp_path, 3)
    row = int(path.stem[-2:]) + 2
    assert f"data.hash_ids=true: the data cannot be listed, row {row}; " in said.err
    said = call("check", *words, "data.hash_ids=false")
    assert said.code == 3
    assert path.name in said.err


def test_m23_nor_where_the_data_changed(call, words, root, tmp_path):
    assert call("train", *words).code == 0
    (folder,) = tmp_path.glob("outputs/run/*")
    path = of_train(root, tmp_path)
    with path.open("ab") as file:
        file.write(b"more")
    said = call("resume", folder, "trainer.epochs=3")
    silent(said, tmp_path, 4)
    assert hashed_name(path.relative_to(root).as_posix()) in said.err


def test_m23_nor_where_a_group_is_torn(call, words, root, tmp_path):
    table = (root / "manifest.csv").read_text().splitlines()
    parts = [f"{line},{'part' if i == 0 else ('train', 'val')[i % 2]}" for i, line in enumerate(table)]
    parts[1] = parts[1].removesuffix("val") + "train"
    (root / "manifest.csv").write_text("\n".join(parts) + "\n")
    torn = tuple(word for word in words if not word.startswith("split"))
    said = call("train", *torn, "split=official", "data.split_column=part")
    assert said.code == 3
    assert "is in train and in val" in said.err
    assert told(said.out, said.err) == []
    silent(call("train", *torn, "split=official", "data.split_column=part", "data.accept_leakage=true"), tmp_path)


def test_m23_nor_where_numbers_are_not_finite(call, words, tmp_path):
    said = call("train", *words, "optimizer.lr=1e30", "trainer.precision=fp32")
    silent(said, tmp_path, 5)
    assert list(tmp_path.glob("outputs/run/*/diverged.json"))


def test_m23_nor_where_an_exclusion_is_wrong(call, words, tmp_path):
    file = tmp_path / "exclude.csv"
    file.write_text("path,reason\nscans/nobody.png,blurred\n")
    said = call("train", *words, f"data.exclude={file}")
    assert said.code == 3
    assert told(said.out, said.err) == []


def test_m23_nor_in_the_ledger_and_the_test_set(call, words, tmp_path):
    assert call("train", *words).code == 0
    (folder,) = tmp_path.glob("outputs/run/*")
    silent(call("test", folder, "--unseal", "--by", "patient"), tmp_path)
    assert list(tmp_path.glob("outputs/**/*ledger*"))


def test_m23_nor_where_copies_and_suspects_are_found(call, words, root, tmp_path):
    assert call("train", *words).code == 0
    with (root / "manifest.csv").open(newline="") as file:
        names = {hashed_name(row["path"]): root / row["path"] for row in csv.DictReader(file)}
    (list_,) = tmp_path.glob("outputs/*/*/data.csv")
    with list_.open(newline="") as file:
        rows = list(csv.DictReader(file))
    train, val = (next(names[row["id"]] for row in rows if row["part"] == part) for part in ("train", "val"))
    (folder,) = tmp_path.glob("outputs/run/*")
    said = call("suspects", folder, "--output", tmp_path / "outputs/suspects.csv")
    silent(said, tmp_path)
    shutil.copy(train, val)
    shutil.rmtree(tmp_path / "outputs")
    (tmp_path / "outputs").mkdir()
    for command in (("train",), ("data", "--exclude", tmp_path / "outputs/exclude.csv")):
        said = call(command[0], *words, *command[1:])
        silent(said, tmp_path, 3)
        assert any(hashed_name(path.relative_to(root).as_posix()) in said.out + said.err for path in (train, val))
    out = tmp_path / "outputs/exclude.csv"
    silent(call("train", *words, f"data.exclude={out}"), tmp_path)

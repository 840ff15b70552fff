"""cvrun data: the audit of a data set, as a command."""

import csv
import io
import json
import re
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvrun.audit import gather as gathering
from cvrun.command import data as command
from cvrun.split._file import read as read_split

sys.path.insert(0, str(Path(__file__).parents[1] / "audit"))

from planted import brighter, picture, reencoded, smaller

TRAIN = ("model.width=4", "trainer.epochs=1", "trainer.batch_size=8", "model=convnet", "name=audited")


def words(root, *more):
    return ("data=csv", f"data.root={root}", "data.split_column=part", "data.size=16", "split=official", *more)


@pytest.fixture
def root(tmp_path):
    """48 pictures of two classes in three parts, without any flaw; add(name, image, label, part) adds one."""
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "manifest.csv").write_text("path,label,part\n")
    for i in range(48):
        add(folder, f"{i:02d}.png", picture(100 + i), "ab"[i % 2], ("train", "train", "val", "test")[i // 2 % 4])
    return folder


def add(folder, name, image, label, part):
    image.save(folder / name)
    with (folder / "manifest.csv").open("a") as file:
        file.write(f"{name},{label},{part}\n")


def test_sound_data_has_a_table_and_no_finding(call, root):
    said = call("data", *words(root))
    assert (said.code, said.err) == (0, "")
    rows = {row[0]: row[1:] for row in map(str.split, said.out.splitlines()) if row}
    assert rows["all"] == ["24", "12", "12"]
    assert "nothing was found" in said.out and "48 to 48" in said.out


def test_a_leak_stops_cvrun_data_and_a_run_until_it_is_left_out(call, root, tmp_path):
    add(root, "same.png", picture(100), "a", "val")
    add(root, "copy.png", reencoded(picture(101), 75), "b", "test")
    said = call("data", *words(root), "--exclude", "out.csv")
    assert said.code == 3
    assert "STOPS A RUN: 1 image of train is in val as well: 1 identical" in said.out
    assert "STOPS A RUN: 1 image of train is in test as well: 1 copied with small changes" in said.out
    assert "out.csv: 2 images to leave out" in said.err
    stopped = call("train", *words(root), *TRAIN)
    assert stopped.code == 3 and stopped.err.count("\n") == 1
    assert "00.png (train) = same.png (val)" in stopped.err and "1 image of train in test as well" in stopped.err
    assert not (tmp_path / "outputs").exists()
    rows = list(csv.reader((tmp_path / "out.csv").read_text().splitlines()))
    assert [row[0] for row in rows] == ["path", "00.png", "01.png"]
    assert call("data", *words(root, "data.exclude=out.csv")).code == 0
    assert call("train", *words(root, "data.exclude=out.csv"), *TRAIN).code == 0


def test_an_accepted_leak_is_a_warning(call, root):
    add(root, "same.png", picture(100), "a", "val")
    accepted = words(root, "data.accept_leakage=true")
    assert call("data", *accepted).code == 0
    said = call("train", *accepted, *TRAIN)
    assert said.code == 0
    assert "warning: data.accept_leakage=true: 1 image of train in val as well (1 identical)" in said.err


def test_audit_can_be_left_out_of_a_run(call, root):
    add(root, "same.png", picture(100), "a", "val")
    assert call("train", *words(root), *TRAIN, "audit=false").code == 0


def test_finished_runs_and_resumed_ones_are_not_audited_again(call, root, monkeypatch):
    assert call("train", *words(root), *TRAIN).code == 0
    monkeypatch.setattr("cvrun.audit.verdict.judge", None)
    assert "finished before" in call("train", *words(root), *TRAIN).out
    assert call("eval", *(Path("outputs/audited").iterdir())).code == 0


def test_sealed_leaves_the_test_files_alone(call, root):
    for name in ("06.png", "07.png"):
        (root / name).write_bytes(b"damaged")
    assert "2 images cannot be used" in call("data", *words(root)).out
    said = call("data", *words(root), "--sealed", "--json")
    found = json.loads(said.out)
    assert found["findings"] == [] and found["audited"] == ["train", "val"] and found["images"] == 36


def test_json_holds_what_the_text_says(call, root):
    add(root, "same.png", picture(100), "a", "val")
    found = json.loads(call("data", *words(root), "--json").out)
    assert found["stops"] is True and found["classes"] == ["a", "b"]
    assert found["counts"] == {"train": [12, 12], "val": [7, 6], "test": [6, 6]}
    assert found["statistics"]["kinds"] == [{"mode": "RGB", "bits": 8, "channels": 3, "images": 49}]
    (one,) = found["findings"]
    assert one["kind"] == "leakage" and one["examples"] == ["00.png (train) = same.png (val)"]


def test_torn_groups_are_a_finding(call, root):
    text = (root / "manifest.csv").read_text().splitlines()
    rows = [f"{text[0]},patient", *(f"{line},p{i // 4}" for i, line in enumerate(text[1:]))]
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")
    said = call("data", *words(root, "data.group_by=patient"))
    assert said.code == 3 and "groups lie in several parts" in said.out
    assert call("data", *words(root, "data.group_by=patient", "data.accept_leakage=true")).code == 0


def test_a9_three_corrupt_files_are_named_and_left_out(call, root):
    for name in ("00.png", "08.png", "04.png"):
        content = (root / name).read_bytes()
        (root / name).write_bytes(content[: len(content) // 2])
    said = call("data", *words(root), "--exclude", "out.csv")
    assert said.code == 3
    assert "STOPS A RUN: 3 images cannot be used" in said.out
    assert all(f"  {name} (" in said.out for name in ("00.png", "08.png", "04.png"))
    assert json.loads(call("data", *words(root, "data.exclude=out.csv"), "--json").out)["images"] == 48 - 3
    assert call("train", *words(root, "data.exclude=out.csv"), *TRAIN).code == 0


def test_the_split_is_written_as_frozen_reads_it(call, root, tmp_path):
    assert call("data", *words(root), "--split", "parts.csv").code == 0
    assert set(read_split(tmp_path / "parts.csv").values()) == {"train", "val", "test"}
    frozen = ("data=csv", f"data.root={root}", "data.size=16", "split=frozen", "split.file=parts.csv")
    before, after = (json.loads(call("data", *w, "--json").out) for w in (words(root), frozen))
    assert before["split_fingerprint"] == after["split_fingerprint"]


def test_the_sheet_is_a_picture(call, root, tmp_path):
    assert call("data", *words(root), "--sheet", "sheet.png").code == 0
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (8 * 68 + 4, 2 * 82 + 4)


@pytest.mark.parametrize("flag", ["--exclude", "--sheet", "--split"])
def test_no_file_is_replaced_unasked_and_none_lies_below_the_data(call, root, tmp_path, flag):
    (tmp_path / "there").write_text("mine")
    said = call("data", *words(root), flag, "there")
    assert said.code == 2 and "--force replaces it" in said.err
    assert (tmp_path / "there").read_text() == "mine"
    assert call("data", *words(root), flag, "there", "--force").code == 0
    said = call("data", *words(root), flag, root / "new", "--force")
    assert said.code == 2 and "lies below data.root" in said.err and not (root / "new").exists()


def test_hashed_names_stay_hashed(call, root, tmp_path):
    add(root, "same.png", picture(100), "a", "val")
    hashed = words(root, "data.hash_ids=true")
    said = call("data", *hashed)
    assert said.code == 3 and "(train) = " in said.out and ".png" not in said.out + said.err
    said = call("data", *hashed, "--exclude", "out.csv")
    written = (tmp_path / "out.csv").read_text()
    assert said.code == 3 and written.count("\n") == 2 and ".png" not in written
    # The names that it holds are found again behind their hashes.
    assert call("data", *hashed, "data.exclude=out.csv").code == 0


def test_sweeps_and_unknown_flags_are_refused(call, root):
    assert call("data", "-m", *words(root)).code == 2
    said = call("data", *words(root), "--exlude", "x")
    assert said.code == 2 and said.err.count("\n") == 1


def test_wide_values_are_told_with_the_key_that_uses_them(call, tmp_path):
    root = tmp_path / "deep"
    for i in range(24):
        grey = np.asarray(picture(i).convert("L"), dtype=np.uint16)
        (root / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        values = (grey.astype(float) - grey.min()) / np.ptp(grey) * (4095 - 312) + 312
        Image.fromarray(np.rint(values).astype(np.uint16)).save(root / "ab"[i % 2] / f"{i}.png")
    said = call("data", "data=folder", f"data.root={root}", "data.channels=1")
    assert "312 to 4095 in train; data.value_range=[312,4095] uses all levels" in said.out


def test_the_text_fits_a_terminal_of_80_columns(call, root, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    said = call("data", *words(root))
    assert max(map(len, said.out.splitlines())) <= 80


def test_its_flags_are_documented(call):
    said = call("data", "--help")
    assert said.code == 0 and "--exclude FILE" in said.out


def test_a4_ten_planted_copies_of_blood_cells_are_found_and_none_invented(call, blood_cells, tmp_path):
    root = tmp_path / "blood"
    root.mkdir()
    lines = (blood_cells / "manifest.csv").read_text().splitlines()
    shutil.copytree(blood_cells / "images", root / "images")
    chosen = [row.split(",") for row in lines[1 :: len(lines) // 10][:10]]
    changes = (
        lambda image: reencoded(image, 60),
        lambda image: reencoded(image, 90),
        lambda image: reencoded(image, 75),
        lambda image: smaller(image, 0.9),
        lambda image: brighter(image, 5),
    )
    planted = {}
    (root / "planted").mkdir()
    for i, (path, label, slide) in enumerate(chosen):
        name = f"planted/{i}.png" if i >= 5 else f"planted/{i}.jpg"
        if i < 5:
            (root / name).write_bytes((blood_cells / path).read_bytes())
        else:
            changes[i - 5](Image.open(blood_cells / path).convert("RGB")).save(root / name)
        planted[name] = path
        lines.append(f"{name},{label},{slide}")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    base = ("+exp=blood_cells", f"data.root={root}")
    # With the slides grouped a planted copy lies in its original's part.
    said = call("data", *base, "--json")
    assert said.err == ""
    found = json.loads(said.out)
    assert found["stops"] is False
    pairs = [line for one in found["findings"] if one["kind"] == "duplicate" for line in one["examples"]]
    told = {frozenset(word for word in line.split() if "/" in word) for line in pairs}
    assert told == {frozenset(pair) for pair in planted.items()}
    assert sum("=" in line for line in pairs) == 5 and sum("~" in line for line in pairs) == 5
    # Cut at random some of the same copies lie in another part than the original: leakage.
    random = ("split.grouped=false", "data.group_column=null")
    said = call("data", *base, *random, "--exclude", "out.csv", "--json")
    found = json.loads(said.out)
    leaks = [one for one in found["findings"] if one["kind"] == "leakage"]
    doubled = [one for one in found["findings"] if one["kind"] == "duplicate"]
    assert said.code == 3 and sum(one["count"] for one in (*leaks, *doubled)) == 10 and leaks
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text())))
    assert {row["path"] for row in rows} <= {*planted, *planted.values()}
    assert call("data", *base, *random, "data.exclude=out.csv").code == 0


def test_neighbouring_sections_of_a_stack_are_alike_and_distant_ones_are_not(call, membrane, tmp_path):
    shutil.copytree(membrane / "images", tmp_path / "stack" / "images")
    root = tmp_path / "stack"
    said = call("data", "data=folder", f"data.root={root}", "data.channels=1", "data.size=64", "--json")
    found = json.loads(said.out)
    assert found["stops"] is False
    of_images = [
        sorted(int(Path(word).stem) for word in line.split() if word.startswith("images/"))
        for one in found["findings"]
        if one["kind"].startswith("alike")
        for line in one["examples"]
    ]
    distances = [pair[1] - pair[0] for pair in of_images if pair]
    assert len(distances) >= 12 and max(distances) <= 3


def test_grey_copies_of_blood_cells_are_found_whatever_the_model_sees(call, blood_cells, tmp_path):
    root = tmp_path / "blood"
    root.mkdir()
    lines = (blood_cells / "manifest.csv").read_text().splitlines()
    shutil.copytree(blood_cells / "images", root / "images")
    planted = {}
    for i, row in enumerate(lines[200 :: len(lines) // 6][:5]):
        path, label, slide = row.split(",")
        name = f"images/grey{i}.{'png' if i < 3 else 'jpg'}"
        Image.open(blood_cells / path).convert("L").save(root / name)
        planted[name] = path
        lines.append(f"{name},{label},{slide}")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    for channels, identical in ((1, 3), (3, 0)):
        said = call("data", "+exp=blood_cells", f"data.root={root}", f"data.channels={channels}", "--json")
        told = [
            line for one in json.loads(said.out)["findings"] if one["kind"] == "duplicate" for line in one["examples"]
        ]
        pairs = {frozenset(word for word in line.split() if "/" in word) for line in told}
        assert pairs == {frozenset(pair) for pair in planted.items()} and len(told) == 5
        # A model of one channel sees what a PNG file of the grey picture holds.
        assert sum(" = " in line for line in told) == identical


@pytest.mark.parametrize("word", ["data.value_range=[0,3000]", "data.value_range=null"])
def test_broken_pixels_make_no_copies_of_images_that_share_nothing(call, tmp_path, word):
    random = np.random.default_rng(0)
    for i in range(60):
        values = random.integers(0, 3000, (64, 64)).astype(np.uint16)
        if i % 10 == 0:
            values[20:28, 20:28] = 65535
        (tmp_path / "deep" / "ab"[i // 2 % 2]).mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / "deep" / "ab"[i // 2 % 2] / f"{i}.npy", values)
    said = call("data", "data=folder", f"data.root={tmp_path}/deep", "data.channels=1", word, "--json")
    kinds = {one["kind"] for one in json.loads(said.out)["findings"]}
    assert said.code == 0 and kinds <= {"alike", "alike across"}


def test_a_finding_in_the_test_part_is_remembered_until_cvrun_data_looks_anew(call, root):
    add(root, "same.png", picture(100), "a", "test")
    assert call("data", *words(root)).code == 3
    picture(500).save(root / "same.png")
    assert call("data", *words(root), "--sealed").code == 0
    said = call("train", *words(root), *TRAIN)
    assert said.code == 3 and said.err.count("\n") == 1
    assert re.search(r"\(found by `cvrun data` at 20\d\d-[-:T.0-9]+Z; to run it again looks anew\)", said.err)
    assert call("data", *words(root)).code == 0
    assert call("train", *words(root), *TRAIN).code == 0


def test_infinite_values_are_no_number_of_json_and_no_warning(call, tmp_path):
    for i in range(24):
        values = np.asarray(picture(i).convert("L"), dtype=np.float32)
        values[0, :2] = (-np.inf, np.inf) if i % 3 else (0, 255)
        (tmp_path / "wide" / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / "wide" / "ab"[i % 2] / f"{i}.npy", values)
    wide = ("data=folder", f"data.root={tmp_path}/wide", "data.channels=1", "data.value_range=[0,255]")
    said = call("data", *wide, "--json")
    assert said.code == 0 and said.err == ""

    def refuse(name):
        raise AssertionError(name)

    assert json.loads(said.out, parse_constant=refuse)["statistics"]["values"] == [None, None]
    text = call("data", *wide).out
    assert "-inf to inf in train" in text and "data.value_range=[-inf" not in text


@pytest.mark.filterwarnings("default:odd file")
def test_strict_warnings_count_those_of_libraries_and_of_the_data(call, root, monkeypatch):
    assert call("data", *words(root, "strict_warnings=true")).code == 0
    add(root, "same.png", picture(100), "a", "train")
    assert call("data", *words(root)).code == 0
    said = call("data", *words(root, "strict_warnings=true"))
    assert said.code == 2 and "1 image of train repeats" in said.out
    assert said.err.startswith("cvrun data: strict_warnings=true: plan: data: 1 image of train repeats")
    real = gathering.source_of

    def warning(manifest, position):
        warnings.warn("odd file", stacklevel=1)
        return real(manifest, position)

    monkeypatch.setattr(gathering, "source_of", warning)
    shutil.rmtree(root.parent / "cache")
    said = call("data", *words(root, "strict_warnings=true"))
    assert said.code == 2 and said.err.startswith("warning: UserWarning: odd file (") and said.err.count("\n") == 2


@pytest.mark.parametrize("flag", ["--exclude", "--sheet", "--split"])
def test_nothing_is_written_below_what_was_made_of_the_data(call, image_folder, tmp_path, flag, monkeypatch):
    made = tmp_path / "made"
    shutil.copytree(image_folder, made)
    before = sorted(made.rglob("*"))
    data = ("data=folder", f"data.root={image_folder}", f"data.extra={made}")
    said = call("data", *data, flag, made / "new")
    assert said.code == 2 and f"{flag} {made}/new: lies below data.extra={made}" in said.err
    monkeypatch.setenv("CVRUN_CACHE", str(made / "cache"))
    said = call("data", *data, flag, tmp_path / "new")
    assert said.code == 2 and said.err.startswith(f"cvrun data: CVRUN_CACHE={made}/cache: lies below data.extra={made}")
    assert sorted(made.rglob("*")) == before


def test_the_table_shows_what_the_sampler_shows(call, root):
    (row, *_) = [line for line in call("data", *words(root)).out.splitlines() if line.startswith("class")]
    assert "shown" not in row
    for i in range(4):
        add(root, f"more{i}.png", picture(600 + i), "a", "train")
    rows = {
        row[0]: row[1:]
        for row in map(str.split, call("data", *words(root, "sampler=weighted")).out.splitlines())
        if row
    }
    assert rows["class"][1] == "shown" and rows["a"][:2] != rows["b"][:2]


def test_outputs_are_the_flags_that_name_files():
    flags = {action.dest for action in command._parser()._actions if action.metavar == "FILE"}
    assert flags == set(command._OUTPUTS)

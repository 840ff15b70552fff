"""Row 35: the test part is not opened, nor looked at, but by `cvrun test`, which writes every opening down."""

import hashlib
import io
import json
import os
import shutil
import sys
import tarfile

import kit
import numpy as np
import pytest

from cvrun import ledger, options

QUICK = [word for word in kit.QUICK if not word.startswith(("data=", "split.", "workers"))]

SOURCES = {
    "official": ("data=folder", "split=official"),
    "holdout": ("data=folder", "split=holdout", "split.val=0.2", "split.test=0.2"),
    "shards": ("data=webdataset", "data.val=val.tar", "data.test=test.tar", "data.train=train.tar", "split=official"),
    "csv": ("data=csv", "data.split_column=part", "data.hash_column=sha", "split=official"),
}


class Watch:
    """Notes what is done with some files, once the data are listed; an audit hook cannot be taken away."""

    def __init__(self):
        self.names, self.listed, self.opened, self.looked_at, self.others = set(), True, [], [], 0
        sys.addaudithook(self)

    def __call__(self, event, arguments):
        if event == "open" and self.names:
            self.others += 1
            if os.path.realpath(str(arguments[0])) in self.names:
                self.opened.append(arguments[0])

    def looks(self, real, what):
        def look(path, *args, **more):
            if self.names and self.listed and not isinstance(path, int):
                followed = what == "stat" and more.get("follow_symlinks", True)
                if followed and os.path.abspath(os.fsdecode(path)) in self.names:
                    self.looked_at.append(path)
            return real(path, *args, **more)

        return look


@pytest.fixture(scope="module")
def hook():
    return Watch()


@pytest.fixture
def watch(hook, monkeypatch):
    """Watches the files of `names` while it is used; a source may look at them while it lists, and not open them."""
    build = options.build

    def building(group, *arguments):
        hook.listed = group != "data" and hook.listed
        try:
            return build(group, *arguments)
        finally:
            hook.listed = True

    monkeypatch.setattr(options, "build", building)
    monkeypatch.setattr(os, "stat", hook.looks(os.stat, "stat"))
    hook.opened, hook.looked_at, hook.others = [], [], 0
    yield hook
    hook.names = set()


def make(root, source):
    """Images for a source; give the words of a run."""
    if source in ("official", "shards"):
        # No image of one part is one of another.
        made = kit.make_images(root.parent / "made")
        for path in sorted(made.rglob("*.png")):
            part = ("train", "train", "train", "val", "test")[int(path.stem) % 5]
            (root / part / path.parent.name).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, root / part / path.parent.name / path.name)
    else:
        kit.make_images(root, 10)
    if source == "shards":
        for part in ("train", "val", "test"):
            with tarfile.open(root / f"{part}.tar", "w") as tar:
                for path in sorted((root / part).rglob("*.png")):
                    name = f"{path.parent.name}-{path.stem}"
                    tar.add(path, f"{name}.png")
                    label = tarfile.TarInfo(f"{name}.cls")
                    label.size = len(path.parent.name)
                    tar.addfile(label, io.BytesIO(path.parent.name.encode()))
            shutil.rmtree(root / part)
    if source == "csv":
        rows = ["path,label,part,sha"]
        for i, path in enumerate(sorted(root.rglob("*.png"))):
            part = ("train", "train", "train", "val", "test")[i % 5]
            name = path.relative_to(root).as_posix()
            rows.append(f"{name},{path.parent.name},{part},{hashlib.sha256(path.read_bytes()).hexdigest()}")
        (root / "manifest.csv").write_text("\n".join(rows))
    return [*QUICK, *SOURCES[source], f"data.root={root}"]


def sealed_files(call, root, words):
    """The files of the test part, as the split says."""
    from cvrun.config import compose
    from cvrun.selection import select

    chosen = select(compose(words))
    rows = chosen.split.test.tolist()
    assert rows
    return [chosen.manifest.paths[i] for i in rows]


def spoil_members(shard):
    """Make the images in a shard what no image is; it stays as long as it is, and its labels stay."""
    with tarfile.open(shard) as tar:
        members = [(member.offset_data, member.size) for member in tar if member.name.endswith(".png")]
    with shard.open("r+b") as file:
        for offset, size in members:
            file.seek(offset)
            file.write(b"no image"[:size].ljust(size, b"!"))
    assert members


def spoil(paths, content):
    """Make files what no image is, of other lengths and times."""
    for number, path in enumerate(paths):
        path.write_bytes(content * (number * 1000 + 1))
        os.utime(path, (number, number))


@pytest.mark.parametrize(
    ("source", "caches"), [("official", ("ram", "disk", "off", "auto")), ("holdout", ("off",)), ("csv", ("disk",))]
)
def test_a5_no_test_file_is_opened_or_looked_at(call, watch, tmp_path, source, caches):
    words = [*make(tmp_path / "data", source), "trainer.epochs=1"]
    files = sealed_files(call, tmp_path / "data", words)
    watch.names = {os.path.realpath(path) for path in files}
    assert call("check", *words, "workers=2").code == 0
    for place, cache in enumerate(caches):
        assert call("train", *words, "workers=2", f"cache={cache}", f"name=f{place}").code == 0
    (run,) = (tmp_path / "outputs/f0").iterdir()
    assert call("train", *words, "name=f0", "workers=2").code == 0
    assert call("resume", run, "trainer.epochs=2").code == 0
    for split in ("train", "val"):
        assert call("eval", run, "--split", split).code == 0
    assert call("eval", run, "--split", "test").code == 2
    assert call("test", run).code == 2
    assert call("runs").code == call("runs", "--json").code == call("options").code == call("verify", run).code == 0
    assert call("resume", run).code == 0
    assert (watch.opened, watch.looked_at) == ([], [])
    # The hook sees what is done: every other image was opened, and the test images are by the command that says so.
    assert watch.others > len(files)
    assert call("test", run, "--unseal").code == 0
    assert {os.path.realpath(path) for path in watch.opened} == watch.names
    assert {os.path.realpath(path) for path in watch.looked_at} == watch.names


def bits(folder) -> dict:
    """What a run has computed, but for times."""
    val = np.load(folder / "predictions/val.npz")
    return {
        "records": kit.records(folder),
        "digest": kit.status(folder)["digest"],
        "data": (folder / "data.csv").read_bytes(),
        "predictions": {name: val[name].tobytes() for name in val.files},
    }


@pytest.mark.parametrize(("source", "cache"), [("official", "ram"), ("holdout", "disk"), ("csv", "off")])
def test_a5_spoiled_test_files_change_no_bit(call, tmp_path, source, cache):
    """Whatever reads a file, in whichever process or language, would end in an error or in other bits."""
    words = [*make(tmp_path / "data", source), f"cache={cache}", "workers=2"]
    files = sealed_files(call, tmp_path / "data", words)
    found = []
    for name in ("good", "spoiled"):
        cwd = tmp_path / name
        cwd.mkdir()
        if name == "spoiled":
            spoil(files, b"no image")
        if source == "official":
            jobs = ("seed=1,2", "-m", "trainer.epochs=1")
            assert kit.run(("train", *words, *jobs), cwd, shared=True).code == 0
        assert kit.run(("train", *words), cwd, faults="step.begin@5=kill").code == 137
        if name == "spoiled":
            spoil(files, b"and then again")
        said = kit.run(("train", *words), cwd)
        assert said.code == 0, said.err
        runs = sorted((cwd / "outputs/f").iterdir())
        found.append({run.name: bits(run) for run in runs})
        assert not (cwd / "outputs/test-ledger.jsonl").exists()
    assert len(found[0]) == (3 if source == "official" else 1) and found[0] == found[1]
    # They are spoiled indeed.
    said = call("test", runs[0], "--unseal")
    assert said.code == 3 and ("cannot be decoded" in said.err or "sha256" in said.err)


def test_a5_images_of_test_shards_are_not_read(call, tmp_path):
    """Names and labels are: which classes there are, and what lies where, stands in the shard."""
    words = make(tmp_path / "data", "shards")
    found = []
    for name in ("good", "spoiled"):
        (tmp_path / name).mkdir()
        if name == "spoiled":
            spoil_members(tmp_path / "data/test.tar")
        assert call("check", *words).code == 0
        assert call("train", *words, f"output_root={tmp_path}/{name}").code == 0
        (run,) = (tmp_path / name / "f").iterdir()
        found.append(bits(run))
    assert found[0] == found[1]
    said = call("test", run, "--unseal")
    assert said.code == 3 and "cannot be decoded" in said.err
    # They are decoded before the line is written: what cannot be measured is not opened.
    assert ledger.read(tmp_path / "spoiled/test-ledger.jsonl") == []


def rows(root) -> list[dict]:
    return [json.loads(line) for line in (root / "outputs/test-ledger.jsonl").read_text().splitlines()]


def test_j5_a_sweep_and_one_test_are_one_opening(call, images, tmp_path):
    words = [*kit.QUICK, f"data.root={images}", "trainer.epochs=1"]
    assert kit.run(("train", *words, "seed=1,2,3", "-m"), tmp_path, shared=True).code == 0
    assert not (tmp_path / "outputs/test-ledger.jsonl").exists()
    runs = sorted((tmp_path / "outputs/f").iterdir())
    best = max(runs, key=lambda run: kit.status(run)["score"])
    assert call("test", best, "--unseal").code == 0
    (row,) = rows(tmp_path)
    assert row["run"] == f"f/{best.name}"


@pytest.mark.parametrize(("place", "kept"), [("ledger.write", 0), ("ledger.written", 1), ("test.opened", 1)])
def test_a5_a_kill_around_the_line_leaves_it_or_not_and_the_next_one_works(whole, tmp_path, place, kept):
    run = shutil.copytree(whole, tmp_path / "outputs/f" / whole.name)
    words = ("test", run, "--unseal")
    assert kit.run(words, tmp_path, faults=f"{place}=SIGKILL").code == -9
    path = tmp_path / "outputs/test-ledger.jsonl"
    assert len(ledger.read(path)) == kept and not (run / "predictions/test.npz").exists()
    said = kit.run(words, tmp_path)
    assert said.code == 0, said.err
    assert (run / "predictions/test.npz").exists()
    assert ("opened before for the same model: line 1 of test-ledger.jsonl" in said.err) == (kept == 1)
    times = {0: "1 time", 1: "2 times"}[kept]
    assert f"this test set has been opened {times}, by 1 model" in said.out
    assert ledger.read(path) == ledger.copies(run / "test.jsonl") and len(ledger.read(path)) == kept + 1


def test_a5_a_line_cut_by_a_power_failure_is_mended(whole, tmp_path):
    run = shutil.copytree(whole, tmp_path / "outputs/f" / whole.name)
    words, path = ("test", run, "--unseal"), tmp_path / "outputs/test-ledger.jsonl"
    assert kit.run(words, tmp_path, faults="test.opened=SIGKILL").code == -9
    path.write_bytes(path.read_bytes()[:100])
    said = kit.run(("eval", run), tmp_path)
    assert said.code == 0 and said.out.endswith("the test set of this run has not been opened\n")
    said = kit.run(words, tmp_path)
    assert said.code == 0 and "its last line was never finished, so nothing was opened by it" in said.err
    (row,) = rows(tmp_path)
    assert len(row["torn"]) == 100


@pytest.fixture(scope="module")
def two(tmp_path_factory, images):
    """Two models of the same data and split; nobody may change them."""
    cwd = tmp_path_factory.mktemp("two")
    words = [*kit.QUICK, f"data.root={images}", "trainer.epochs=1"]
    assert kit.run(("train", *words, "seed=1,2", "-m"), cwd, shared=True).code == 0
    return cwd


@pytest.mark.parametrize("reason", [(), ("--reason", "both at once")])
def test_a5_two_processes_that_open_it_at_once_make_two_lines(two, tmp_path, reason):
    root = shutil.copytree(two / "outputs", tmp_path / "outputs")
    runs = sorted((root / "f").iterdir())
    children = [kit.Child(("test", run, "--unseal", *reason), tmp_path) for run in runs]
    said = [child.wait() for child in children]
    openings = ledger.read(root / "test-ledger.jsonl")
    if reason:
        assert [one.code for one in said] == [0, 0], said
        assert {opening.run for opening in openings} == {f"f/{run.name}" for run in runs}
    else:
        assert sorted(one.code for one in said) == [0, 2]
        (refused,) = (one for one in said if one.code == 2)
        assert "another model on it needs a reason" in refused.err
    assert [opening.number for opening in openings] == list(range(1, len(openings) + 1))
    assert len(openings) == (2 if reason else 1)
    for opening in openings:
        assert opening in ledger.copies(root / opening.run / "test.jsonl")


@pytest.mark.parametrize("metric", ["test/accuracy", "test/loss"])
def test_a6_e15_a_metric_of_the_test_set_chooses_nothing(call, images, tmp_path, metric):
    """Of schedulers, early stopping, checkpoints and sweeps, all of which go by the monitor."""
    words = [*kit.QUICK, f"data.root={images}", f"monitor.metric={metric}"]
    for command in (("check", *words), ("train", *words), ("train", *words, "-m", "seed=1,2")):
        said = call(*command)
        assert said.code in (1, 2) and said.code == (1 if "-m" in command else 2)
        assert f"monitor.metric={metric}: expected a metric of the validation split, val/..." in said.err
        assert "the test split may not choose anything" in said.err
    assert not list(tmp_path.glob("outputs/*/*"))

"""Row 28: data that changed since the start: code 4 and what was added, removed or changed; nothing is touched."""

import shutil

import kit
import pytest


@pytest.fixture
def started(words, images, whole, tmp_path):
    """A copy of the images, a run that was killed over them, and its command line."""
    root = tmp_path / "images"
    shutil.copytree(images, root)
    line = (*words, f"data.root={root}", "split.test=0")
    said = kit.run(line, tmp_path, faults="checkpoint.before_prune=kill")
    assert said.code == 137
    return root, kit.run_folder(tmp_path), line


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


def copy_one(root):
    (root / "ant" / "new.png").write_bytes((root / "bee" / "00.png").read_bytes())


def remove_two(root):
    (root / "ant" / "00.png").unlink()
    (root / "cat" / "03.png").unlink()


def other_label(root):
    (root / "ant" / "00.png").rename(root / "dog" / "from-ant.png")


def longer_file(root):
    with (root / "bee" / "05.png").open("ab") as file:
        file.write(b"\0")


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (copy_one, ["1 added (ant/new.png)"]),
        (remove_two, ["2 removed (ant/00.png)"]),
        (other_label, ["1 added (dog/from-ant.png)", "1 removed (ant/00.png)"]),
        (longer_file, ["1 changed (bee/05.png: content "]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_it_says_what_changed(started, call, change, parts):
    root, folder, line = started
    change(root)
    before = files(folder)
    for words in (("resume", folder), line):
        said = call(*words)
        assert said.code == 4 and len(said.err.splitlines()) == 1
        assert [part for part in parts if part not in said.err] == [] and "rerun=true" in said.err
    assert files(folder) == before


def test_other_weights_are_other_data(words, images, tmp_path, call):
    root = tmp_path / "images"
    shutil.copytree(images, root)
    names = sorted(path.relative_to(root).as_posix() for path in root.glob("*/*.png"))

    def weigh(first):
        rows = [f"{name},{name.split('/')[0]},{1 if i else first}" for i, name in enumerate(names)]
        (root / "manifest.csv").write_text("\n".join(["path,label,weight", *rows]))

    weigh(1)
    drawn = ("data.weight_column=weight", "sampler=weighted", "sampler.weighting=column")
    # The first image, whose weight changes, is for training with this seed.
    line = (*words, "data=csv", *drawn, f"data.root={root}", "split.test=0", "split.seed=1")
    assert kit.run(line, tmp_path, faults="checkpoint.before_prune=kill").code == 137
    folder = kit.run_folder(tmp_path)
    size = (root / names[0]).stat().st_size
    part = f"1 changed ({names[0]}: content {size} weight 1.0 -> {size} weight 1000.0)"
    for state in ("killed", "finished"):
        weigh(1000)
        before = files(folder)
        for command in (("resume", folder), line):
            said = call(*command)
            assert said.code == 4 and part in said.err and "rerun=true" in said.err, (state, said)
        assert files(folder) == before
        weigh(1)
        assert call("resume", folder).code == 0


def test_data_that_is_as_it_was_again_goes_on(started, call):
    root, folder, _ = started
    copy_one(root)
    assert call("resume", folder).code == 4
    (root / "ant" / "new.png").unlink()
    assert call("resume", folder).code == 0
    assert kit.status(folder)["state"] == "finished"

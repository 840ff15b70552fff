"""Row 34: nothing below a data root is written, touched or opened for writing, whatever is run and however it ends."""

import hashlib
import os
import shutil
import sys

import kit
import pytest

from cvrun import fault

WRITES = {
    *("os.mkdir", "os.rmdir", "os.remove", "os.rename", "os.link", "os.symlink", "os.truncate", "os.utime"),
    *("os.chmod", "os.chown", "os.setxattr", "os.removexattr", "os.lockf", "fcntl.flock"),
}
"""Audit events of Python that change a file or a folder (docs.python.org, "Audit events table")."""


class Watch:
    """Takes what is done below a folder while it is on; an audit hook cannot be taken away."""

    def __init__(self):
        self.root, self.reads, self.writes = None, set(), []
        sys.addaudithook(self)

    def __call__(self, event, arguments):
        if self.root is None or not (event == "open" or event in WRITES):
            return
        below = [str(a) for a in arguments[:2] if isinstance(a, str | os.PathLike) and str(a).startswith(self.root)]
        if not below:
            return
        if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND):
            self.reads.add(below[0])
        else:
            self.writes.append((event, below))


@pytest.fixture(scope="module")
def hook():
    return Watch()


def tree(root) -> dict[str, tuple]:
    """Name -> kind, mode, size, time of the last change of content and of anything, and sha256 of each entry."""
    found = {}
    for path in [root, *sorted(root.rglob("*"))]:
        about = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        target = os.readlink(path) if path.is_symlink() else ""
        size = about.st_size if path.is_file() else 0
        found[str(path)] = (about.st_mode, size, about.st_mtime_ns, about.st_ctime_ns, target, content)
    return found


@pytest.fixture
def watched(hook, images, tmp_path):
    """A data root that nobody but root can write, with a table, a link and a note; checked afterwards."""
    root = shutil.copytree(images, tmp_path / "data")
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    hashes = {name: hashlib.sha256((root / name).read_bytes()).hexdigest() for name in names}
    rows = [f"{name},{name.partition('/')[0]},{hashes[name]}" for name in names]
    (root / "manifest.csv").write_text("\n".join(["path,label,sha", *rows]))
    (root / "ant/also.png").symlink_to("00.png")
    for path in root.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o500 if path.is_dir() else 0o400)
    root.chmod(0o500)
    before = tree(root)
    hook.root, hook.reads, hook.writes = str(root), set(), []
    yield root
    hook.root = None
    assert hook.writes == []
    assert tree(root) == before
    for path in [root, *root.rglob("*")]:
        if path.is_dir():
            path.chmod(0o700)


def test_train_resume_eval_test_predict_and_check_only_read(call, hook, watched, tmp_path):
    words = [*kit.QUICK, f"data.root={watched}", "workers=2", "trainer.epochs=1"]
    assert call("check", *words).code == 0
    assert call("train", *words).code == 0
    (run,) = (tmp_path / "outputs/f").iterdir()
    assert call("resume", run, "trainer.epochs=2").code == 0
    assert call("eval", run).code == 0
    assert call("test", run, "--unseal").code == 0
    assert call("predict", run, watched).code == 0
    # The hook sees what is done: every image was opened.
    assert {os.path.basename(os.path.dirname(name)) for name in hook.reads} >= set(kit.CLASSES)
    assert len(hook.reads) >= 41


def test_a_table_with_hashes_only_reads(call, hook, watched):
    words = [word for word in kit.QUICK if word != "data=folder"]
    assert call("train", *words, "data=csv", f"data.root={watched}", "data.hash_column=sha", "rerun=true").code == 0
    assert f"{watched}/manifest.csv" in hook.reads


def test_a_run_that_fails_only_reads(call, watched):
    words = ["train", *kit.QUICK, f"data.root={watched}"]
    for faults, code in (("decode.chunk=raise", 1), ("decode.chunk=oom", 6), ("record.write=enospc", 7)):
        fault.arm(faults)
        assert call(*words).code == code
    fault.arm("")
    assert call(*words, "trainer.batch_size=100").code == 2
    assert kit.run((*words, "seed=2"), watched.parent, faults="record.write@3=kill").code == 137


@pytest.mark.parametrize("command", ["check", "train"])
def test_results_below_the_data_are_refused(command, call, watched, monkeypatch):
    """A second run would take the results of the first for images."""
    said = call(command, *kit.QUICK, f"data.root={watched}", f"output_root={watched}/ant/../runs")
    assert said.code == 2
    assert f"lies below data.root={watched}, expected a folder outside of the data" in said.err
    monkeypatch.chdir(watched / "ant")
    said = call(command, *kit.QUICK, "data.root=..")
    assert said.code == 2 and "output_root=outputs: outputs/f/" in said.err

"""The folder of stores: names, the one that makes a store, removal."""

import dataclasses
import os
import threading
import time

import numpy as np
import pytest
from PIL import Image

from cvrun.cache import cache_folder
from cvrun.data import ImageForm, Manifest
from cvrun.pipeline import disk, locks, stores
from cvrun.pipeline.chunks import Decoding
from cvrun.pipeline.kept import Bounded, Whole

FORM = ImageForm(8, 3, "crop")


@pytest.fixture
def decoding(tmp_path):
    paths = tuple(tmp_path / f"{i}.png" for i in range(5))
    for i, path in enumerate(paths):
        Image.new("RGB", (9, 7), (i, 0, 0)).save(path)
    manifest = Manifest(tuple("abcde"), np.zeros(5, np.int64), ("x",), FORM, paths=paths)
    return Decoding("train", manifest, np.arange(4), Whole(FORM), 0, 60.0)


def ignore(_):
    """What nobody wants to know."""


def make(decoding, path=None):
    """Make a store and give its folder and the use of it."""
    path = path or stores.root() / stores.fingerprint(decoding)
    with stores.making(path, ignore) as new:
        disk.write(new, decoding, ignore)
        return path, stores.put_in_place(new, path)


def test_a_name_follows_from_files_and_form(decoding):
    name = stores.fingerprint(decoding)
    assert len(name) == 32 and int(name, 16) >= 0
    assert stores.fingerprint(dataclasses.replace(decoding, name="val", workers=3, timeout=1.0)) == name
    relabelled = dataclasses.replace(decoding.manifest, labels=np.arange(5), classes=tuple("vwxyz"))
    assert stores.fingerprint(dataclasses.replace(decoding, manifest=relabelled)) == name
    paths = tuple(type(path)(os.path.relpath(path)) for path in decoding.manifest.paths)
    relative = dataclasses.replace(decoding.manifest, paths=paths)
    assert stores.fingerprint(dataclasses.replace(decoding, manifest=relative)) == name


def test_everything_that_pixels_follow_from_gives_another_name(decoding, monkeypatch):
    names = [stores.fingerprint(decoding)]

    def other(**changes):
        names.append(stores.fingerprint(dataclasses.replace(decoding, **changes)))

    other(kept=Whole(ImageForm(9, 3, "crop")))
    other(kept=Whole(ImageForm(8, 1, "crop")))
    other(kept=Whole(ImageForm(8, 3, "pad")))
    other(kept=Bounded(3, 8))
    other(kept=Bounded(3, 9))
    other(indices=np.array([1, 0, 2, 3]))
    other(indices=np.arange(3))
    other(indices=np.arange(5))
    other(manifest=dataclasses.replace(decoding.manifest, hashes=("0" * 64,) * 5))
    first = decoding.manifest.paths[0]
    os.utime(first, ns=(1, 1))
    other()
    content = first.read_bytes()
    first.write_bytes(content + b"0")
    os.utime(first, ns=(1, 1))
    other()
    # Other content of the same length, with the old time of modification, as some copies are made.
    first.write_bytes(b"1" + content)
    os.utime(first, ns=(1, 1))
    other()
    first.unlink()
    other()
    monkeypatch.setattr(stores, "SCHEME", stores.SCHEME + 1)
    other()
    monkeypatch.setattr(stores.PIL, "__version__", "0.0")
    other()
    monkeypatch.setattr(stores.simplejpeg, "__version__", "0.0")
    other()
    assert len(set(names)) == len(names) == 17


def test_embedded_images_are_told_apart_by_their_bytes():
    images = np.zeros((3, 8, 8, 1), np.uint8)
    manifest = Manifest(tuple("abc"), np.zeros(3, np.int64), ("x",), FORM, images=images)
    decoding = Decoding("train", manifest, np.arange(2), Whole(FORM), 0, 60.0)
    name = stores.fingerprint(decoding)
    images[2] = 1
    assert stores.fingerprint(decoding) == name
    images[1, 7, 7, 0] = 1
    assert stores.fingerprint(decoding) != name


def test_no_file_is_opened_for_a_name(decoding, monkeypatch):
    monkeypatch.setattr("builtins.open", None)
    monkeypatch.setattr(os, "open", None)
    assert stores.fingerprint(decoding)


def test_a_store_that_is_whole_gets_its_name_and_nothing_else_is_left(decoding):
    path, use = make(decoding)
    assert path.parent == cache_folder() / "store"
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert sorted(entry.name for entry in path.iterdir()) == ["pixels.bin", "store.json", "used"]
    assert use is not None and locks.holder(path / "used").startswith(f"process {os.getpid()} ")


def test_what_fails_leaves_nothing(decoding):
    path = stores.root() / "abc"
    with pytest.raises(OSError, match="full"), stores.making(path, ignore) as new:
        (new / "pixels.bin").write_bytes(b"half")
        raise OSError("full")
    assert list(path.parent.iterdir()) == []


def test_a_store_of_that_name_is_replaced(decoding):
    path, use = make(decoding)
    (path / "pixels.bin").write_bytes(b"damaged")
    make(decoding, path)
    assert (path / "pixels.bin").stat().st_size == 4 * 8 * 8 * 3
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_one_makes_it_and_the_others_wait(decoding):
    path, told, inside, most = stores.root() / "abc", [], [], []

    def work():
        with stores.making(path, told.append):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.02)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most == [1] * 6
    # Who has locked it a moment ago has not signed it yet.
    assert {line.partition(" on ")[0] for line in told} <= {f"process {os.getpid()}", "another process"}


def test_a_store_in_use_stays_until_it_is_not(decoding):
    path, use = make(decoding)
    assert stores.remove(path) is None and path.exists()
    use.release()
    size = stores.size_of(path)
    assert stores.remove(path) == size >= 4 * 8 * 8 * 3
    assert list(path.parent.iterdir()) == []
    assert stores.remove(path) == 0


def test_what_was_killed_is_tidied_up_and_what_is_being_made_is_not(decoding):
    root = stores.root()
    for name in (".dead.new", ".gone.123-4.old"):
        (root / name).mkdir(parents=True)
        (root / name / "pixels.bin").write_bytes(bytes(1000))
    (root / ".dead.lock").touch()
    (root / ".alone.lock").touch()
    with stores.making(root / "live", ignore) as new:
        # It tidied up before it began.
        assert sorted(entry.name for entry in root.iterdir()) == [".live.lock", ".live.new"]
        (root / ".dead.new").mkdir()
        (root / ".dead.new" / "pixels.bin").write_bytes(bytes(70))
        assert stores.tidy(root) == 70
        assert new.exists() and not (root / ".dead.new").exists()


def test_what_is_there(decoding):
    assert stores.stored(stores.root()) == []
    first, use = make(decoding)
    second, later = make(dataclasses.replace(decoding, kept=Bounded(3, 0)))
    later.release()
    os.utime(second / "used", (5, 5))
    (stores.root() / "damaged").mkdir()
    (stores.root() / "damaged" / "pixels.bin").write_bytes(bytes(9))
    os.utime(stores.root() / "damaged", (3, 3))
    found = stores.stored(stores.root())
    assert [one.path for one in found] == [first, second, stores.root() / "damaged"]
    assert found[0].user.startswith(f"process {os.getpid()} on ") and found[1].user == found[2].user == ""
    assert [one.last_used for one in found[1:]] == [5, 3]
    assert (found[1].header["count"], found[2].header, found[2].size) == (4, {}, 9)
    assert use is not None


class Members:
    """Image files inside a shard; reading one here is an error."""

    def __init__(self, origins):
        self.origins = origins

    def read(self, position):
        raise AssertionError("opened")

    def size(self, position):
        return 100 + position

    def origin(self, position):
        return self.origins[position]


def test_what_lies_inside_other_files_is_told_apart_by_what_these_say_and_not_opened():
    def name(origins, hashes=None, form=FORM):
        fields = {"encoded": Members(origins), "hashes": hashes}
        manifest = Manifest(tuple("abc"), np.zeros(3, np.int64), ("x",), FORM, **fields)
        return stores.fingerprint(Decoding("train", manifest, np.arange(2), Whole(form), 0, 60.0))

    first = name(["s.tar 5 0", "s.tar 5 1", "s.tar 5 2"])
    assert name(["s.tar 5 0", "s.tar 5 1", "elsewhere"]) == first
    others = [
        name(["s.tar 6 0", "s.tar 5 1", ""]),
        name(["s.tar 5 0", "s.tar 5 9", ""]),
        name(["s.tar 5 0", "s.tar 5 1", ""], ("0" * 64,) * 3),
        name(["s.tar 5 0", "s.tar 5 1", ""], form=ImageForm(8, 3, "crop", (0.0, 99.0))),
    ]
    assert len({first, *others}) == 5

"""Where decoded images go, and that every way to them gives the same pixels."""

import dataclasses
import errno
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cvrun import fault
from cvrun.cache import cache_folder
from cvrun.data import ImageForm, Manifest
from cvrun.errors import StorageError
from cvrun.pipeline import chunks, disk, locks, place, stores
from cvrun.pipeline.chunks import Decoding
from cvrun.pipeline.kept import Bounded, Whole
from cvrun.pipeline.memory import in_memory
from cvrun.pipeline.place import GIB, Cache, open_images
from cvrun.pipeline.place import place as decide
from cvrun.pipeline.stores import Stored

NUM = 30
FORM = ImageForm(12, 3, "crop")
LARGE = 2 * GIB


@pytest.fixture(autouse=True)
def disarmed(monkeypatch):
    """Several chunks, and no set is too small for the disk."""
    monkeypatch.setattr(chunks, "CHUNK", 7)
    monkeypatch.setattr(place, "TINY", 0)
    yield
    fault.arm("")


@pytest.fixture
def manifest(tmp_path):
    random = np.random.default_rng(0)
    paths = []
    (tmp_path / "data").mkdir()
    for i in range(NUM):
        height, width = random.integers(5, 40, 2)
        paths.append(tmp_path / "data" / f"{i:03d}.png")
        Image.fromarray(random.integers(0, 256, (height, width, 3)).astype(np.uint8)).save(paths[-1])
    return Manifest(tuple(path.name for path in paths), np.arange(NUM) % 3, ("a", "b", "c"), FORM, paths=tuple(paths))


@pytest.fixture(params=[Whole(FORM), Bounded(3, 9)], ids=["whole", "bounded"])
def decoding(request, manifest):
    return Decoding("train", manifest, np.random.default_rng(1).permutation(NUM), request.param, 0, 60.0)


class Told:
    """What was said and done while images were opened."""

    def __init__(self):
        self.lines, self.decoded = [], 0

    def progress(self, count):
        self.decoded += count

    def open(self, decoding, mode="disk", budget=32.0):
        return open_images(decoding, Cache(mode, budget), self.lines.append, self.progress)


@pytest.fixture
def told():
    return Told()


def pixels(images) -> torch.Tensor:
    return images.pixels if hasattr(images, "pixels") else images.images.reshape(-1)


def same(opened, decoding):
    expected, _ = in_memory(decoding, lambda count: None)
    assert torch.equal(pixels(opened[0]), pixels(expected))
    assert opened[0].digest() == expected.digest()
    return True


def other(size, last_used=0.0, user=""):
    return Stored(Path(f"/cache/store/{size}-{last_used}"), size, last_used, user, {})


# What the user wants, bytes needed, embedded, bytes free; then where they go.
SIMPLE = [
    ("ram", LARGE, False, 0, "ram"),
    ("off", 1, True, 10 * LARGE, "off"),
    ("disk", 1, True, 0, "disk"),
    ("disk", 100 * GIB, False, 0, "disk"),
    ("auto", LARGE, True, 10 * LARGE, "ram"),
    ("auto", LARGE, False, 10 * LARGE, "disk"),
    ("auto", 32 * GIB, False, 64 * GIB, "disk"),
    ("auto", 32 * GIB + 1, False, 900 * GIB, "off"),
    ("auto", LARGE, False, 2 * LARGE, "disk"),
    ("auto", LARGE, False, 2 * LARGE - 1, "off"),
]


@pytest.mark.parametrize(("mode", "needed", "embedded", "free", "where"), SIMPLE)
def test_where_images_go(mode, needed, embedded, free, where):
    found = decide(Cache(mode, 32.0), needed, embedded, free, ())
    assert (found.where, found.evict) == (where, ())
    assert bool(found.why) == (where == "off" and mode == "auto")


def test_a_tiny_set_stays_in_memory(monkeypatch):
    monkeypatch.setattr(place, "TINY", 100)
    assert decide(Cache("auto", 32.0), 99, False, LARGE, ()).where == "ram"
    assert decide(Cache("auto", 32.0), 100, False, LARGE, ()).where == "disk"
    assert decide(Cache("disk", 32.0), 99, False, LARGE, ()).where == "disk"


def test_those_that_were_not_used_for_longest_make_room():
    old, older, oldest = other(GIB, 3.0), other(GIB, 2.0), other(GIB, 1.0)
    cache = Cache("auto", 4.0)
    assert decide(cache, GIB, False, 99 * GIB, [old, older, oldest]).evict == ()
    assert decide(cache, GIB + 1, False, 99 * GIB, [old, older, oldest]).evict == (oldest,)
    assert decide(cache, 2 * GIB + 1, False, 99 * GIB, [old, older, oldest]).evict == (oldest, older)
    assert decide(cache, 4 * GIB, False, 99 * GIB, [old, older, oldest]).evict == (oldest, older, old)


def test_what_is_in_use_is_never_removed():
    used, free = other(3 * GIB, 1.0, "process 7"), other(GIB, 2.0)
    found = decide(Cache("auto", 4.0), GIB, False, 99 * GIB, [used, free])
    assert (found.where, found.evict) == ("disk", (free,))
    found = decide(Cache("auto", 4.0), GIB + 1, False, 99 * GIB, [used, free])
    # Removing what can be removed would not do.
    assert (found.where, found.evict) == ("off", ())
    assert found.why == "1 GiB of decoded images do not fit into cache_budget=4 GiB, of which 3 GiB are in use"
    assert decide(Cache("disk", 4.0), GIB + 1, False, 0, [used, free]) == place.Place("disk")


def test_what_is_removed_counts_as_free():
    found = decide(Cache("auto", 2.0), GIB, False, GIB, [other(2 * GIB)])
    assert (found.where, len(found.evict)) == ("disk", 1)
    found = decide(Cache("auto", 2.0), GIB, False, GIB, [other(GIB)])
    assert found == place.Place(
        "off", (), "1 GiB of decoded images are more than half of the 1 GiB that are free on disk"
    )


def test_every_way_gives_the_same_pixels(decoding, told):
    for mode in ("ram", "disk", "disk", "auto", "ram"):
        for workers in (0, 3):
            assert same(told.open(dataclasses.replace(decoding, workers=workers), mode), decoding)
    # Four times into memory, once onto the disk.
    assert told.decoded == 5 * NUM
    assert told.lines == []
    assert len(list(stores.root().iterdir())) == 1


def test_off_decodes_nothing(decoding, told):
    assert told.open(decoding, "off") is None
    assert (told.decoded, told.lines) == (0, []) and not cache_folder().exists()


def test_memory_leaves_nothing_on_disk(decoding, told):
    told.open(decoding, "ram")
    assert not cache_folder().exists()


def test_a_tiny_set_leaves_nothing_on_disk_unless_it_is_there(decoding, told, monkeypatch):
    monkeypatch.setattr(place, "TINY", 1 << 20)
    told.open(decoding, "auto")
    assert not cache_folder().exists()
    told.open(decoding, "disk")
    assert same(told.open(decoding, "auto"), decoding)
    assert told.decoded == 2 * NUM


def test_an_embedded_set_is_kept_on_disk_only_where_that_is_wanted(told):
    images = np.random.default_rng(0).integers(0, 256, (9, 20, 20, 3)).astype(np.uint8)
    names = tuple(f"{i}" for i in range(9))
    manifest = Manifest(names, np.arange(9) % 2, ("a", "b"), FORM, images=images)
    embedded = Decoding("train", manifest, np.arange(9), Whole(FORM), 0, 60.0)
    assert same(told.open(embedded, "auto"), embedded) and not cache_folder().exists()
    for _ in range(2):
        assert same(told.open(embedded, "disk"), embedded)
    assert told.decoded == 18


def test_what_is_on_disk_is_not_estimated_again(decoding, told, monkeypatch):
    told.open(decoding)
    monkeypatch.setattr(Decoding, "num_bytes", None)
    assert told.open(decoding, "auto") is not None


def test_over_the_budget_there_is_a_line_with_the_numbers(decoding, told):
    assert told.open(decoding, "auto", 1e-9) is None
    (line,) = told.lines
    size = f"{decoding.num_bytes() / GIB:.3g}"
    assert line == (
        f"train: {size} GiB of decoded images do not fit into cache_budget=1e-09 GiB, its images are decoded as they"
        " are needed; cache=disk keeps them all the same"
    )
    assert told.open(decoding, "disk", 1e-9) is not None


def test_room_is_made(decoding, told):
    parts = [dataclasses.replace(decoding, indices=np.arange(first, first + 10)) for first in (0, 10, 20)]
    sizes = []
    for i, part in enumerate(parts[:2]):
        told.open(part)
        path = stores.root() / stores.fingerprint(part)
        sizes.append(stores.size_of(path))
        os.utime(path / "used", (i + 1, i + 1))
    told.open(parts[2], "auto", (sum(sizes) + 100) / GIB)
    left = {path.name for path in stores.root().iterdir()}
    assert left == {stores.fingerprint(part) for part in parts[1:]}


DAMAGE = {
    "pixels": lambda path: (path / "pixels.bin").write_bytes(b"0" + (path / "pixels.bin").read_bytes()[1:]),
    "cut": lambda path: os.truncate(path / "pixels.bin", 100),
    "header": lambda path: (path / "store.json").write_text("{}"),
    "no lock": lambda path: (path / "used").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_store_is_made_again_with_a_line(decoding, told, damage):
    told.open(decoding)
    path = stores.root() / stores.fingerprint(decoding)
    DAMAGE[damage](path)
    assert same(told.open(decoding, "auto"), decoding)
    assert told.decoded == 2 * NUM
    (line,) = told.lines
    assert line.startswith(f"warning: {path}: ") and line.endswith("; its images are decoded again")
    assert same(told.open(decoding, "auto"), decoding)
    assert (told.decoded, len(told.lines), len(list(stores.root().iterdir()))) == (2 * NUM, 1, 1)


def test_a_store_of_another_version_is_made_again(decoding, told, monkeypatch):
    with monkeypatch.context() as older:
        older.setattr(disk, "FORMAT", 0)
        told.open(decoding)
    assert same(told.open(decoding), decoding)
    assert told.decoded == 2 * NUM
    assert "it has format 0, expected 1; its images are decoded again" in told.lines[0]


def test_a_damaged_store_that_is_in_use_is_replaced_under_its_user(decoding, told):
    first = told.open(decoding)
    before = pixels(first[0]).clone()
    path = stores.root() / stores.fingerprint(decoding)
    (path / "store.json").write_text("{}")
    second = told.open(decoding)
    assert torch.equal(pixels(first[0]), before) and same(second, decoding)


@pytest.mark.parametrize("point", ["store.mid_write", "store.mid_write@3", "store.before_rename"])
def test_a_full_disk_is_gone_on_without(decoding, told, point):
    fault.arm(f"{point}=enospc")
    assert told.open(decoding) is None
    (line,) = told.lines
    path = stores.root() / stores.fingerprint(decoding)
    assert line == (
        f"warning: {path}: cannot be written (No space left on device), its images are decoded as they are needed;"
        " cache=ram keeps them in memory, CVRUN_CACHE=FOLDER names another folder"
    )
    assert list(stores.root().iterdir()) == []


def test_a_cache_folder_that_cannot_be_made(decoding, told, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("CVRUN_CACHE", str(tmp_path / "file"))
    assert told.open(decoding) is None
    (line,) = told.lines
    assert "cannot be written (Not a directory), its images are decoded as they are needed" in line


def test_a_file_system_without_locks(decoding, told, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    told.open(decoding)
    monkeypatch.setattr("fcntl.flock", flock)
    assert told.open(decoding) is None
    (line,) = told.lines
    assert "cannot be written (No locks available), its images are decoded as they are needed" in line


def test_a_cache_folder_that_may_only_be_read_is_used(decoding, told, monkeypatch):
    told.open(decoding)
    real = os.open

    def read_only(path, flags, *rest, **options):
        if flags & (os.O_RDWR | os.O_WRONLY | os.O_CREAT):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", read_only)
    assert told.open(decoding, "auto") is not None
    assert (told.decoded, told.lines) == (NUM, [])


def test_an_error_of_the_data_is_not_one_of_the_disk(decoding, told):
    """Images that are not read in time end it; nothing is left."""
    fault.arm(",".join(f"decode.chunk@{visit}=raise" for visit in (1, 2, 3)))
    with pytest.raises(StorageError, match="tried 3 times"):
        told.open(dataclasses.replace(decoding, workers=1))
    assert list(stores.root().iterdir()) == []


def test_bad_images_are_told_and_the_others_kept(decoding, told):
    lost = int(decoding.indices[3])
    decoding.manifest.paths[lost].write_bytes(b"garbage")
    for _ in range(2):
        images, bad = told.open(decoding)
        assert list(bad) == [lost] and len(images) == NUM - 1
        assert same((images, bad), decoding)
    assert told.decoded == NUM


def test_a_store_is_in_use_as_long_as_its_images_are(decoding, told):
    opened = told.open(decoding)
    path = stores.root() / stores.fingerprint(decoding)
    assert locks.holder(path / "used").startswith(f"process {os.getpid()} on ")
    assert stores.remove(path) is None
    del opened
    assert stores.remove(path) is not None


def begun() -> None:
    """Wait until a store is being made."""
    end = time.monotonic() + 30
    while not list(stores.root().glob(".*.new")):
        assert time.monotonic() < end
        time.sleep(0.005)


class Patient(Told):
    """One that goes on decoding when others have said that they wait for it."""

    def __init__(self, others):
        super().__init__()
        self.others = others

    def progress(self, count):
        super().progress(count)
        end = time.monotonic() + 30
        while not all(one.lines for one in self.others):
            assert time.monotonic() < end
            time.sleep(0.005)


def test_one_decodes_and_the_others_wait_for_it(decoding):
    others = [Told() for _ in range(3)]
    everyone = [Patient(others), *others]
    results = [None] * 4

    def work(i):
        results[i] = everyone[i].open(decoding)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    threads[0].start()
    begun()
    for thread in threads[1:]:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [one.decoded for one in everyone] == [NUM, 0, 0, 0]
    assert [len(one.lines) for one in everyone] == [0, 1, 1, 1]
    for one in others:
        assert one.lines[0].startswith(f"waiting for process {os.getpid()} on ")
        assert one.lines[0].endswith(", which decodes the same images")
    assert all(same(result, decoding) for result in results)


def test_whoever_waits_makes_it_when_the_other_one_fails(decoding):
    second = Told()
    first = Patient([second])
    results = {}
    fault.arm("store.before_rename=enospc")
    thread = threading.Thread(target=lambda: results.update(first=first.open(decoding)))
    thread.start()
    begun()
    results["second"] = second.open(decoding)
    thread.join(60)
    assert results["first"] is None and same(results["second"], decoding)
    assert (first.decoded, second.decoded) == (NUM, NUM)
    assert "No space left" in first.lines[0] and second.lines[0].startswith("waiting for ")


def test_it_is_said_when_it_takes_long(decoding, told, monkeypatch):
    monkeypatch.setattr(place, "SAID", 0.0)
    told.open(decoding, "ram")
    told.open(decoding, "disk")
    told.open(decoding, "disk")
    assert [line.split(" in ")[0] for line in told.lines] == [
        "decoded 30 train images",
        "decoded 30 train images",
        "checked 30 decoded train images on disk",
    ]


def test_nothing_is_written_where_the_data_lies(decoding, told):
    folder = decoding.manifest.paths[0].parent
    before = sorted((path.name, path.stat().st_mtime_ns) for path in [folder, *folder.iterdir()])
    told.open(decoding)
    assert sorted((path.name, path.stat().st_mtime_ns) for path in [folder, *folder.iterdir()]) == before

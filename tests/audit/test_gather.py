import numpy as np
import pytest
from PIL import Image
from planted import picture

from cvrun.audit import gather as gathering
from cvrun.audit import kept
from cvrun.audit.gather import gather
from cvrun.errors import OutOfMemoryError, StorageError


@pytest.fixture
def manifest(listed):
    images = {f"{i:03d}.png": (picture(i, 20), "ab"[i % 2]) for i in range(150)}
    return listed(images)


@pytest.fixture
def looked(monkeypatch):
    """The files that are looked at."""
    names = []
    real = gathering.look

    def look(source, channels, limits):
        names.append(source.where)
        return real(source, channels, limits)

    monkeypatch.setattr(gathering, "look", look)
    return names


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_notes_are_in_the_order_of_the_positions(manifest, workers):
    positions = np.random.default_rng(0).permutation(150)[:100]
    done = []
    notes = gather(manifest, positions, workers, 60.0, done.append)
    assert sum(done) == 100
    for row in (0, 50, 99):
        one = gathering.look_at_pixels(np.asarray(picture(int(positions[row]), 20)), 3, None)
        assert notes["pixels"][row] == one["pixels"]


def test_a_second_audit_reads_nothing_and_a_changed_file_is_read_again(manifest, looked):
    everything = np.arange(150)
    first = gather(manifest, everything, 2, 60.0)
    assert len(looked) == len(set(looked)) == 150
    looked.clear()
    second = gather(manifest, everything[::-1], 2, 60.0)
    assert looked == [] and (second[::-1] == first).all()
    Image.new("RGB", (5, 5)).save(manifest.paths[7])
    third = gather(manifest, everything, 2, 60.0)
    assert looked == [str(manifest.paths[7])] and third["empty"].nonzero()[0].tolist() == [7]


def test_only_the_given_positions_are_looked_at(manifest, looked):
    gather(manifest, np.array([3, 5]), 1, 60.0)
    assert sorted(looked) == [str(manifest.paths[3]), str(manifest.paths[5])]
    looked.clear()
    gather(manifest, np.array([3, 4, 5]), 1, 60.0)
    assert looked == [str(manifest.paths[4])]


def test_a_damaged_cache_is_made_anew(manifest, looked):
    gather(manifest, np.arange(10), 1, 60.0)
    place = kept.place(manifest)
    place.write_bytes(place.read_bytes()[:-40])
    looked.clear()
    assert (gather(manifest, np.arange(10), 1, 60.0)["reason"] == b"").all()
    assert len(looked) == 10 and len(kept.read(place)) == 10


def test_a9_three_corrupt_files_are_three_reasons(manifest):
    for position in (2, 70, 149):
        content = manifest.paths[position].read_bytes()
        manifest.paths[position].write_bytes(content[: len(content) // 2])
    notes = gather(manifest, np.arange(150), 2, 60.0)
    assert np.flatnonzero(notes["reason"] != b"").tolist() == [2, 70, 149]


def test_files_that_are_not_read_are_named(manifest, monkeypatch):
    def fail(source, channels, limits):
        raise RuntimeError("the disk is gone")

    monkeypatch.setattr(gathering, "look", fail)
    with pytest.raises(StorageError, match=r"000.png: RuntimeError: the disk is gone, tried 3 times"):
        gather(manifest, np.arange(150), 2, 60.0)


def test_memory_that_does_not_suffice_is_an_error_of_its_own(manifest, monkeypatch):
    def fail(source, channels, limits):
        raise MemoryError

    monkeypatch.setattr(gathering, "look", fail)
    with pytest.raises(OutOfMemoryError, match=r"000.png: not enough memory"):
        gather(manifest, np.arange(150), 1, 60.0)

"""A store on disk: the same pixels and digest as in memory, and nothing that was changed is trusted."""

import dataclasses
import hashlib
import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from cvrun import fault
from cvrun.data import ImageForm, Manifest
from cvrun.pipeline import blocks, chunks, disk
from cvrun.pipeline.blocks import DamagedError
from cvrun.pipeline.chunks import Decoding
from cvrun.pipeline.kept import Bounded, Whole
from cvrun.pipeline.memory import in_memory

NUM = 60
FORM = ImageForm(12, 3, "crop")
KINDS = {"whole": Whole(FORM), "bounded": Bounded(3, 9)}


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Several chunks and blocks."""
    monkeypatch.setattr(chunks, "CHUNK", 7)
    monkeypatch.setattr(chunks, "SMALL", 0)
    monkeypatch.setattr(blocks, "BLOCK", 4096)
    yield
    fault.arm("")


@pytest.fixture
def manifest(tmp_path):
    random = np.random.default_rng(0)
    paths = []
    for i in range(NUM):
        height, width = random.integers(5, 40, 2)
        paths.append(tmp_path / f"{i:03d}.{('png', 'jpg')[i % 2]}")
        Image.fromarray(random.integers(0, 256, (height, width, 3)).astype(np.uint8)).save(paths[-1])
    return Manifest(tuple(path.name for path in paths), np.arange(NUM) % 3, ("a", "b", "c"), FORM, paths=tuple(paths))


@pytest.fixture(params=KINDS)
def decoding(request, manifest):
    return Decoding("train", manifest, np.random.default_rng(1).permutation(NUM), KINDS[request.param], 2, 60.0)


def ignore(count):
    """Progress that nobody watches."""


def pixels(images) -> torch.Tensor:
    return images.pixels if hasattr(images, "pixels") else images.images.reshape(-1)


@pytest.fixture
def written(tmp_path, decoding):
    folder = tmp_path / "store"
    folder.mkdir()
    assert disk.write(folder, decoding, ignore) == {}
    return folder


def test_equal_to_what_is_in_memory(written, decoding):
    memory, _ = in_memory(dataclasses.replace(decoding, workers=0), ignore)
    stored, bad = disk.read(written, decoding, None)
    assert bad == {} and len(stored) == NUM
    assert torch.equal(pixels(stored), pixels(memory))
    assert stored.index.tolist() == memory.index.tolist() and stored.targets.tolist() == memory.targets.tolist()
    assert stored.known == memory.digest() != ""
    assert dataclasses.replace(stored, known="").digest() == memory.digest()
    if isinstance(decoding.kept, Whole):
        rows = torch.tensor([5, 0, 5])
        assert torch.equal(stored.take(rows, rows), memory.take(rows, rows))
    else:
        assert all(torch.equal(stored.at(row), memory.at(row)) for row in range(NUM))


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_the_files_do_not_depend_on_the_workers(written, decoding, tmp_path, workers):
    other = tmp_path / "other"
    other.mkdir()
    disk.write(other, dataclasses.replace(decoding, workers=workers), ignore)
    for name in {path.name for path in written.iterdir()} - {disk.HEADER, disk.USED}:
        assert (other / name).read_bytes() == (written / name).read_bytes()
    assert disk.read_header(other) | {"made": ""} == disk.read_header(written) | {"made": ""}


def test_the_pixels_are_the_file(written, decoding):
    """Raw bytes, one image after the other: readable without cvrun."""
    raw = np.fromfile(written / "pixels.bin", np.uint8)
    first = decoding.kept.decode(decoding.manifest, int(decoding.indices[0])).pixels
    assert np.array_equal(raw[: first.size], first.ravel())
    header = json.loads((written / "store.json").read_text())["store"]
    assert (header["format"], header["count"], header["source"]) == (1, NUM, str(written.parent))
    assert header["files"]["pixels.bin"]["size"] == raw.size
    blocks_of = [raw[begin : begin + 4096].tobytes() for begin in range(0, raw.size, 4096)]
    assert header["files"]["pixels.bin"]["blocks"] == [hashlib.sha256(block).hexdigest() for block in blocks_of]


def test_what_is_mapped_outlives_its_file(written, decoding):
    stored, _ = disk.read(written, decoding, None)
    before = pixels(stored).clone()
    shutil.rmtree(written)
    assert torch.equal(pixels(stored), before)


def test_progress_adds_up(tmp_path, decoding):
    (tmp_path / "new").mkdir()
    told = []
    disk.write(tmp_path / "new", decoding, told.append)
    assert sum(told) == NUM and len(told) > 1


def flip(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def edit(folder, change, signed):
    """Change store.json, with the right hash over it or with the one it had."""
    content = json.loads((folder / "store.json").read_text())
    change(content["store"])
    if signed:
        content["sha256"] = hashlib.sha256(json.dumps(content["store"], sort_keys=True).encode()).hexdigest()
    (folder / "store.json").write_text(json.dumps(content))


DAMAGE = {
    "first byte": lambda folder: flip(folder / "pixels.bin", 0),
    "a byte in the middle": lambda folder: flip(folder / "pixels.bin", 5000),
    "last byte": lambda folder: flip(folder / "pixels.bin", -1),
    "shorter": lambda folder: (folder / "pixels.bin").write_bytes((folder / "pixels.bin").read_bytes()[:-1]),
    "longer": lambda folder: (folder / "pixels.bin").write_bytes((folder / "pixels.bin").read_bytes() + b"0"),
    "empty": lambda folder: (folder / "pixels.bin").write_bytes(b""),
    "no pixels": lambda folder: (folder / "pixels.bin").unlink(),
    "a folder": lambda folder: ((folder / "pixels.bin").unlink(), (folder / "pixels.bin").mkdir()),
    "no store.json": lambda folder: (folder / "store.json").unlink(),
    "empty store.json": lambda folder: (folder / "store.json").write_bytes(b""),
    "half a store.json": lambda folder: (folder / "store.json").write_text((folder / "store.json").read_text()[:99]),
    "garbage": lambda folder: (folder / "store.json").write_bytes(b"\xff\xfe\x00"),
    "a list": lambda folder: (folder / "store.json").write_text("[1]"),
    "deep": lambda folder: (folder / "store.json").write_text("[" * 10**5),
    "other count": lambda folder: edit(folder, lambda header: header.update(count=59), signed=False),
    "other digest": lambda folder: edit(folder, lambda header: header.update(digest="0" * 64), signed=False),
    "other format": lambda folder: edit(folder, lambda header: header.update(format=2), signed=True),
    "other form": lambda folder: edit(folder, lambda header: header.update(kept="x"), signed=True),
    "fewer": lambda folder: edit(folder, lambda header: header.update(count=59), signed=True),
    "count of text": lambda folder: edit(folder, lambda header: header.update(count="60"), signed=True),
    "no files": lambda folder: edit(folder, lambda header: header.update(files={}), signed=True),
    "bad of text": lambda folder: edit(folder, lambda header: header.update(bad=["x"]), signed=True),
    "bad out of range": lambda folder: edit(folder, lambda header: header.update(bad=[NUM]), signed=True),
    "no bad": lambda folder: edit(folder, lambda header: header.pop("bad"), signed=True),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_was_damaged_is_not_used(written, decoding, damage):
    DAMAGE[damage](written)
    with pytest.raises(DamagedError):
        disk.read(written, decoding, None)


@pytest.mark.parametrize("decoding", ["bounded"], indirect=True)
def test_sizes_are_checked_as_well(written, decoding):
    flip(written / "sizes.bin", 0)
    with pytest.raises(DamagedError, match=r"sizes\.bin holds other bytes than were written"):
        disk.read(written, decoding, None)


def test_a_name_in_store_json_does_not_lead_out_of_the_folder(written, decoding, tmp_path):
    (written / "pixels.bin").rename(tmp_path / "pixels.bin")

    def lead_out(header):
        header["files"]["../pixels.bin"] = header["files"].pop("pixels.bin")

    edit(written, lead_out, signed=True)
    with pytest.raises(DamagedError):
        disk.read(written, decoding, None)


def test_other_targets_have_another_digest(written, decoding):
    labels = (decoding.manifest.labels + 1) % 3
    other = dataclasses.replace(decoding, manifest=dataclasses.replace(decoding.manifest, labels=labels))
    stored, _ = disk.read(written, other, None)
    memory, _ = in_memory(other, ignore)
    assert stored.targets.tolist() == memory.targets.tolist()
    assert stored.digest() == memory.digest() != disk.read(written, decoding, None)[0].digest()


def test_images_that_cannot_be_decoded_are_not_in_it_and_tried_again(tmp_path, decoding):
    lost = [int(decoding.indices[row]) for row in (0, 8, 59)]
    kept = [decoding.manifest.paths[i].read_bytes() for i in lost]
    for i in lost:
        decoding.manifest.paths[i].write_bytes(b"garbage")
    folder = tmp_path / "store"
    folder.mkdir()
    written = disk.write(folder, decoding, ignore)
    memory, expected = in_memory(decoding, ignore)
    for fresh in (written, None):
        stored, bad = disk.read(folder, decoding, None, fresh)
        assert list(bad) == list(expected) == lost
        assert [str(error) for error in bad.values()] == [str(error) for error in expected.values()]
        assert torch.equal(pixels(stored), pixels(memory)) and stored.index.tolist() == memory.index.tolist()
        assert stored.digest() == memory.digest()
    decoding.manifest.paths[lost[1]].write_bytes(kept[1])
    with pytest.raises(DamagedError, match=f"{decoding.manifest.ids[lost[1]]} can be decoded now"):
        disk.read(folder, decoding, None)


def test_nothing_that_can_be_decoded(tmp_path, decoding):
    for path in decoding.manifest.paths:
        path.unlink()
    folder = tmp_path / "store"
    folder.mkdir()
    disk.write(folder, decoding, ignore)
    stored, bad = disk.read(folder, decoding, None)
    assert (len(stored), len(bad)) == (0, NUM)


def test_odd_files_are_counted(tmp_path, decoding):
    frames = [Image.new("L", (9, 9), value) for value in (5, 99)]
    frames[0].save(decoding.manifest.paths[0], "GIF", save_all=True, append_images=frames[1:])
    exif = Image.Exif()
    exif[274] = 6
    for i in (3, 4):
        Image.new("RGB", (9, 7)).save(decoding.manifest.paths[i], exif=exif)
    folder = tmp_path / "store"
    folder.mkdir()
    disk.write(folder, decoding, ignore)
    stored, _ = disk.read(folder, decoding, None)
    assert (stored.animated, stored.turned) == (1, 2)


def test_a_full_disk_is_an_error_of_the_disk(tmp_path, decoding):
    (tmp_path / "store").mkdir()
    fault.arm("store.mid_write@3=enospc")
    with pytest.raises(OSError, match="No space left"):
        disk.write(tmp_path / "store", decoding, ignore)

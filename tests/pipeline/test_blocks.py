"""Files in blocks: what was written is known to the last byte."""

import hashlib
import os

import numpy as np
import pytest

from cvrun.pipeline import blocks
from cvrun.pipeline.blocks import BlockWriter, DamagedError, check

SIZE = 1000


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 64)
    monkeypatch.setattr(blocks, "_PIECE", 10)


def write(path, content: bytes, cuts=()):
    writer = BlockWriter(path)
    for begin, end in zip((0, *cuts), (*cuts, len(content)), strict=True):
        writer.write(memoryview(content)[begin:end])
    entry = writer.finish()
    writer.close()
    return entry


def look(path, entry, **options):
    handle = os.open(path, os.O_RDONLY)
    try:
        check(handle, entry, **options)
    finally:
        os.close(handle)


@pytest.fixture
def content():
    return np.random.default_rng(0).bytes(SIZE)


@pytest.mark.parametrize("cuts", [(), (1,), (64,), (63, 65), (100, 500), (128, 128, 999)])
@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 128, SIZE])
def test_each_block_has_the_hash_of_its_bytes(tmp_path, content, cuts, size):
    content = content[:size]
    entry = write(tmp_path / "a", content, tuple(min(cut, size) for cut in cuts))
    assert (tmp_path / "a").read_bytes() == content
    expected = [hashlib.sha256(content[begin : begin + 64]).hexdigest() for begin in range(0, size, 64)]
    assert entry == {"size": size, "block": 64, "blocks": expected}
    look(tmp_path / "a", entry)


@pytest.mark.parametrize("place", [0, 63, 64, 500, SIZE - 1])
def test_a_changed_bit_is_found(tmp_path, content, place):
    entry = write(tmp_path / "a", content)
    damaged = bytearray(content)
    damaged[place] ^= 1
    (tmp_path / "a").write_bytes(damaged)
    with pytest.raises(DamagedError, match=f"other bytes than were written, between {place // 64 * 64:,} and 1,000"):
        look(tmp_path / "a", entry)
    look(tmp_path / "a", entry, size_only=True)


@pytest.mark.parametrize("size", [0, 999, 1001, 1064])
def test_another_size_is_found_without_reading(tmp_path, content, size):
    entry = write(tmp_path / "a", content)
    (tmp_path / "a").write_bytes((content + bytes(100))[:size])
    for options in ({}, {"size_only": True}):
        with pytest.raises(DamagedError, match=f"has {size:,} bytes instead of 1,000"):
            look(tmp_path / "a", entry, **options)


@pytest.mark.parametrize("change", [{"block": 0}, {"block": 32}, {"blocks": []}, {"block": -64}])
def test_blocks_that_do_not_cover_the_file(tmp_path, content, change):
    entry = write(tmp_path / "a", content)
    with pytest.raises(DamagedError, match="blocks that do not add up"):
        look(tmp_path / "a", {**entry, **change})


def test_a_disk_that_cannot_read_is_damage(tmp_path, content, monkeypatch):
    entry = write(tmp_path / "a", content)

    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "preadv", fail)
    with pytest.raises(DamagedError, match="cannot be read"):
        look(tmp_path / "a", entry)


def test_a_file_that_is_there_is_not_written_over(tmp_path):
    (tmp_path / "a").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        BlockWriter(tmp_path / "a")

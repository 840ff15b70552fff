import hashlib
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cvrun.data import ImageForm, Manifest, digits
from cvrun.errors import DataError, OutOfMemoryError, StorageError
from cvrun.pipeline import chunks, kept
from cvrun.pipeline.chunks import Bad, Decoding
from cvrun.pipeline.decode import Decoded, Source, decode, decode_from, decode_whole
from cvrun.pipeline.kept import Bounded, Whole
from cvrun.pipeline.memory import build_store, in_memory
from cvrun.pipeline.store import Ragged, Store

NUM = 150

SLOW = 60.0
"""[s] More than any test here takes."""


def ignore(_: int) -> None:
    """Progress that nobody watches."""


@pytest.fixture
def threaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes even small images be decoded by the workers, in chunks that interleave."""
    monkeypatch.setattr(chunks, "SMALL", 0)
    monkeypatch.setattr(chunks, "CHUNK", 8)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    random = np.random.RandomState(0)
    paths = []
    for i in range(NUM):
        height, width = random.randint(5, 40, 2)
        paths.append(tmp_path / f"{i:03d}.{('png', 'jpg')[i % 2]}")
        Image.fromarray(random.randint(0, 256, (height, width, 3)).astype(np.uint8)).save(paths[-1])
    return Manifest(
        ids=tuple(path.name for path in paths),
        labels=np.arange(NUM, dtype=np.int64) % 3,
        classes=("a", "b", "c"),
        form=ImageForm(12, 3, "crop"),
        paths=tuple(paths),
    )


def decoded(manifest: Manifest, indices: Any, workers: int) -> tuple[Store, Bad]:
    store, bad = in_memory(Decoding("val", manifest, indices, Whole(manifest.form), workers, SLOW), ignore)
    assert isinstance(store, Store)
    return store, bad


def path(manifest: Manifest, i: int) -> Path:
    assert manifest.paths is not None
    return manifest.paths[i]


@pytest.mark.usefixtures("threaded")
@pytest.mark.parametrize("workers", [0, 1, 3])
def test_the_store_holds_what_decode_gives(manifest: Manifest, workers: int) -> None:
    indices = np.random.RandomState(1).permutation(NUM)[:100]
    store = build_store(manifest, indices, workers, SLOW, ignore)
    assert store.images.dtype == torch.uint8
    assert store.images.shape == (100, 12, 12, 3)
    assert store.index.tolist() == indices.tolist()
    assert store.targets.tolist() == [i % 3 for i in indices.tolist()]
    assert len(store) == 100
    for row, i in enumerate(indices.tolist()):
        np.testing.assert_array_equal(store.images[row], decode(path(manifest, i), manifest.form).pixels)


@pytest.mark.usefixtures("threaded")
@pytest.mark.parametrize("workers", [0, 1, 3])
def test_the_first_bad_file_is_named_and_all_are_counted(manifest: Manifest, workers: int) -> None:
    for i in (140, 17, 90):
        path(manifest, i).write_bytes(b"garbage")
    with pytest.raises(DataError) as caught:
        build_store(manifest, np.arange(120), workers, SLOW, ignore)
    assert str(path(manifest, 17)) in str(caught.value)
    assert str(caught.value).endswith("; also 090.png; 2 of 120 images cannot be used")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("workers", [0, 2])
def test_no_other_file_is_opened(manifest: Manifest, workers: int) -> None:
    before = build_store(manifest, np.arange(100), workers, SLOW, ignore).digest()
    for i in range(100, NUM):
        path(manifest, i).unlink()
        if i % 2:
            path(manifest, i).write_bytes(b"garbage")
    assert build_store(manifest, np.arange(100), workers, SLOW, ignore).digest() == before


@pytest.mark.usefixtures("threaded")
@pytest.mark.parametrize("workers", [0, 3])
def test_progress_adds_up_in_this_thread(manifest: Manifest, workers: int) -> None:
    told: list[tuple[int, int]] = []
    build_store(manifest, np.arange(NUM), workers, SLOW, lambda num: told.append((num, threading.get_ident())))
    assert sum(num for num, _ in told) == NUM
    assert len(told) > 1
    assert {thread for _, thread in told} == {threading.get_ident()}


def test_embedded_images() -> None:
    manifest = digits.build(digits.Config(8, 1, "stretch"))
    store = build_store(manifest, np.array([5, 3]), 2, SLOW, ignore)
    assert manifest.images is not None
    np.testing.assert_array_equal(store.images, manifest.images[[5, 3]])
    larger = build_store(digits.build(digits.Config(16, 3, "stretch")), np.array([5]), 0, SLOW, ignore)
    expected = Image.fromarray(manifest.images[5, ..., 0]).resize((16, 16), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(larger.images[0, ..., 2], np.asarray(expected))


def test_the_store_does_not_share_memory_with_the_manifest() -> None:
    manifest = digits.build(digits.Config(8, 1, "stretch"))
    indices = np.arange(4)
    store = build_store(manifest, indices, 0, SLOW, ignore)
    assert manifest.images is not None
    manifest.images[:4] = 0
    indices[:] = 9
    assert store.images.sum() > 0
    assert store.index.tolist() == [0, 1, 2, 3]


def test_too_many_images_for_the_memory(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    def empty(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(np, "empty", empty)
    with pytest.raises(OutOfMemoryError, match=r"2 images of 12x12x3 need 0\.0 GiB of memory"):
        build_store(manifest, np.arange(2), 0, SLOW, ignore)


def test_an_error_in_progress_stops_at_once(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "SMALL", 0)
    monkeypatch.setattr(chunks, "CHUNK", 1)
    decoded: list[str] = []

    def slow(source: Source, form: ImageForm) -> Decoded:
        decoded.append(source.where)
        time.sleep(0.002)
        return decode_from(source, form)

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(kept, "decode_from", slow)
    with pytest.raises(KeyboardInterrupt):
        build_store(manifest, np.arange(NUM), 2, SLOW, stop)
    assert len(decoded) < NUM / 2


def test_three_are_named(manifest: Manifest) -> None:
    for i in (140, 17, 90, 3, 60):
        path(manifest, i).write_bytes(b"")
    with pytest.raises(DataError) as caught:
        build_store(manifest, np.arange(NUM)[::-1], 0, SLOW, ignore)
    assert str(caught.value).startswith(f"{path(manifest, 140)}: cannot be decoded (")
    assert str(caught.value).endswith("; also 090.png, 060.png; 5 of 150 images cannot be used")


@pytest.mark.usefixtures("threaded")
@pytest.mark.parametrize("workers", [0, 3])
def test_the_others_are_decoded_all_the_same(manifest: Manifest, workers: int) -> None:
    whole = build_store(manifest, np.arange(NUM), 0, SLOW, ignore)
    indices = np.random.RandomState(2).permutation(NUM)
    lost = [int(indices[row]) for row in (0, 63, 64, 149)]
    for i in lost:
        path(manifest, i).write_bytes(b"garbage")
    store, bad = decoded(manifest, indices, workers)
    assert list(bad) == lost
    assert all(str(path(manifest, i)) in str(error) for i, error in bad.items())
    left = [i for i in indices.tolist() if i not in lost]
    assert store.index.tolist() == left
    assert store.targets.tolist() == [i % 3 for i in left]
    assert torch.equal(store.images, whole.images[left])


def test_a_hash_is_checked(manifest: Manifest) -> None:
    hashes = tuple(hashlib.sha256(path(manifest, i).read_bytes()).hexdigest() for i in range(NUM))
    with_hashes = replace(manifest, hashes=hashes)
    assert len(build_store(with_hashes, np.arange(NUM), 1, SLOW, ignore)) == NUM
    path(manifest, 5).write_bytes(path(manifest, 7).read_bytes())
    build_store(manifest, np.arange(NUM), 1, SLOW, ignore)
    _, bad = decoded(with_hashes, np.arange(NUM), 1)
    assert [(i, error.reason) for i, error in bad.items()] == [(5, f"its content has the sha256 {hashes[7][:12]}...")]


@pytest.mark.usefixtures("threaded")
@pytest.mark.parametrize("workers", [0, 3])
def test_odd_files_are_counted(manifest: Manifest, workers: int) -> None:
    frames = [Image.new("L", (9, 9), value) for value in (5, 99)]
    for i in (0, 40, 44):
        frames[0].save(path(manifest, i), "GIF", save_all=True, append_images=frames[1:])
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (9, 7)).save(path(manifest, 3), exif=exif)
    store = build_store(manifest, np.arange(100), workers, SLOW, ignore)
    assert (store.animated, store.turned) == (3, 1)


def test_an_embedded_image_that_cannot_be_brought_into_form_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "fit_array", lambda *_: time.sleep(5))
    with pytest.raises(StorageError) as caught:
        build_store(digits.build(digits.Config(16, 1, "stretch")), np.array([7]), 1, 0.05, ignore)
    assert str(caught.value) == "image 0007: not done within worker_timeout=0.05 s, tried 3 times"


@pytest.mark.usefixtures("threaded")
@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("side", [0, 9])
def test_images_keep_their_shape(manifest: Manifest, workers: int, side: int) -> None:
    indices = np.random.RandomState(3).permutation(NUM)[:90]
    path(manifest, int(indices[7])).write_bytes(b"garbage")
    store, bad = in_memory(Decoding("train", manifest, indices, Bounded(3, side), workers, SLOW), ignore)
    assert isinstance(store, Ragged)
    assert list(bad) == [indices[7]]
    left = np.delete(indices, 7)
    assert store.index.tolist() == left.tolist()
    assert store.targets.tolist() == [i % 3 for i in left.tolist()]
    for row, i in enumerate(left.tolist()):
        expected = decode_whole(path(manifest, i), 3, side).pixels
        np.testing.assert_array_equal(store.at(row), expected)
        assert side == 0 or min(expected.shape[:2]) <= side


def test_images_of_different_shapes_that_do_not_fit(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    def whole(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(kept, "decode_whole_from", whole)
    with pytest.raises(OutOfMemoryError, match="not enough memory to decode it"):
        in_memory(Decoding("train", manifest, np.arange(9), Bounded(3, 0), 0, SLOW), ignore)


@pytest.mark.parametrize("kept_as", [Whole(ImageForm(8, 1, "stretch")), Bounded(1, 0)])
def test_nothing_that_can_be_decoded(manifest: Manifest, kept_as: Whole | Bounded) -> None:
    for i in range(3):
        path(manifest, i).unlink()
    store, bad = in_memory(Decoding("train", manifest, np.arange(3), kept_as, 0, SLOW), ignore)
    assert (len(store), list(bad)) == (0, [0, 1, 2])

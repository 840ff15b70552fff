"""Images that are decoded as needed have the pixels of a store, and its errors."""

import numpy as np
import pytest
import torch
from PIL import Image

from cvrun import fault
from cvrun.data import ImageForm, Manifest
from cvrun.errors import DataError, OutOfMemoryError
from cvrun.pipeline.decode import decode, decode_whole
from cvrun.pipeline.kept import Bounded, Whole
from cvrun.pipeline.stream import stream_of

FORM = ImageForm(8, 3, "crop")
KEYS = torch.zeros(0, dtype=torch.int64)


@pytest.fixture
def manifest(tmp_path) -> Manifest:
    draw = np.random.default_rng(0)
    paths = []
    for number in range(6):
        paths.append(tmp_path / f"{number}.{'png' if number % 2 else 'jpg'}")
        Image.fromarray(draw.integers(0, 256, (9 + number, 20 - number, 3), dtype=np.uint8)).save(paths[-1])
    names = tuple(path.name for path in paths)
    return Manifest(names, np.arange(6, dtype=np.int64) % 2, ("a", "b"), FORM, paths=tuple(paths))


def test_it_gives_what_decoding_gives(manifest):
    stream = stream_of(manifest, np.array([4, 1, 3]), Whole(FORM))
    assert len(stream) == 3 and stream.slow
    assert stream.targets.tolist() == [0, 1, 1] and stream.index.tolist() == [4, 1, 3]
    found = stream.take(torch.tensor([2, 0, 2]), KEYS)
    expected = [decode(manifest.paths[i], FORM).pixels for i in (3, 4, 3)]
    assert np.array_equal(found.numpy(), np.stack(expected))


def test_in_their_own_shape(manifest):
    stream = stream_of(manifest, np.array([4, 1, 3]), Bounded(1, 10))
    for row, position in enumerate((4, 1, 3)):
        expected = decode_whole(manifest.paths[position], 1, 10).pixels
        assert np.array_equal(stream.at(row).numpy(), expected)


def test_embedded_images(manifest):
    images = np.random.default_rng(1).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    embedded = Manifest(manifest.ids, manifest.labels, manifest.classes, FORM, images=images)
    stream = stream_of(embedded, np.array([5, 2]), Whole(FORM))
    assert np.array_equal(stream.take(torch.tensor([1, 0]), KEYS).numpy(), images[[2, 5]])
    assert stream.where(0) == "image 5.png"


def test_an_image_that_cannot_be_used_is_named_and_no_other_is_put_in_its_place(manifest):
    stream = stream_of(manifest, np.arange(6), Whole(FORM))
    manifest.paths[2].write_bytes(b"not an image")
    with pytest.raises(DataError, match=r"2\.jpg: cannot be decoded"):
        stream.take(torch.tensor([1, 2, 3]), KEYS)
    manifest.paths[3].unlink()
    with pytest.raises(DataError, match=r"3\.png: cannot be decoded \(No such file"):
        stream.take(torch.tensor([3]), KEYS)


def test_without_memory_the_file_is_named(manifest):
    fault.arm("stream.image@2=oom")
    try:
        with pytest.raises(OutOfMemoryError, match=r"5\.png: not enough memory"):
            stream_of(manifest, np.arange(6), Whole(FORM)).take(torch.tensor([0, 5]), KEYS)
    finally:
        fault.arm("")

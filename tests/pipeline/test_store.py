import hashlib
from typing import Any

import pytest
import torch

from cvrun.pipeline.store import Ragged, Store, offsets_of

KEYS = torch.zeros(3, dtype=torch.int64)


def store(images: torch.Tensor) -> Store:
    return Store(images, torch.arange(len(images)), torch.arange(len(images)))


def ragged() -> Ragged:
    """Images of 1x2 and 2x1 pixels with three channels."""
    sizes = torch.tensor([[1, 2], [2, 1]])
    pixels = torch.arange(12, dtype=torch.uint8)
    return Ragged(pixels, sizes, offsets_of(sizes, 3), 3, torch.tensor([1, 0]), torch.tensor([8, 9]))


def test_rows_are_taken_in_their_order_into_memory_of_their_own() -> None:
    images = torch.arange(5 * 2 * 3 * 3).reshape(5, 2, 3, 3).to(torch.uint8)
    kept = images.clone()
    taken = store(images).take(torch.tensor([4, 0, 4]), KEYS)
    assert torch.equal(taken, kept[[4, 0, 4]])
    taken.zero_()
    assert torch.equal(images, kept)


def test_an_image_of_its_own_shape_is_a_view() -> None:
    images = ragged()
    assert images.at(0).tolist() == [[[0, 1, 2], [3, 4, 5]]]
    assert images.at(1).tolist() == [[[6, 7, 8]], [[9, 10, 11]]]
    assert images.at(1).data_ptr() == images.pixels.data_ptr() + 6
    assert (len(images), images.num_bytes()) == (2, 12)


def test_offsets_are_sums_of_sizes() -> None:
    assert offsets_of(torch.tensor([[2, 3], [1, 1], [4, 2]]), 3).tolist() == [0, 18, 21, 45]
    assert offsets_of(torch.zeros(0, 2, dtype=torch.int64), 3).tolist() == [0]


def test_what_is_known_is_not_worked_out() -> None:
    images = torch.zeros(1, 1, 1, 1, dtype=torch.uint8)
    assert Store(images, torch.zeros(1), torch.zeros(1), known="abc").digest() == "abc"


def test_digest_of_images_of_different_shapes_sees_every_change_but_the_index() -> None:
    def digest(**changes: Any) -> str:
        parts = dict(vars(ragged()), **changes)
        return Ragged(**parts).digest()

    same = digest()
    turned = torch.tensor([[2, 1], [2, 1]])
    others = [
        digest(pixels=torch.arange(1, 13, dtype=torch.uint8)),
        digest(sizes=turned),
        digest(targets=torch.tensor([0, 1])),
        digest(channels=1),
    ]
    assert len({same, *others}) == 5
    assert digest(index=torch.tensor([0, 0])) == same


def test_digest_is_a_sha256_over_shape_pixels_and_targets() -> None:
    images = torch.arange(12, dtype=torch.uint8).reshape(1, 2, 2, 3)
    store = Store(images, torch.tensor([7]), torch.tensor([0]))
    expected = hashlib.sha256(b"(1, 2, 2, 3)" + bytes(range(12)) + (7).to_bytes(8, "little")).hexdigest()
    assert store.digest() == expected


def test_digest_sees_every_change_but_the_index() -> None:
    def digest(change: Any) -> str:
        parts = [torch.zeros(2, 2, 2, 1, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64), torch.arange(2)]
        change(parts)
        return Store(*parts).digest()

    def pixel(parts: Any) -> None:
        parts[0][1, 1, 1, 0] = 1

    def target(parts: Any) -> None:
        parts[1][1] = 1

    def shape(parts: Any) -> None:
        parts[0] = parts[0].reshape(2, 4, 1, 1)

    def index(parts: Any) -> None:
        parts[2] += 5

    same = digest(lambda _: None)
    assert len({same, digest(pixel), digest(target), digest(shape)}) == 4
    assert digest(index) == same


@pytest.mark.parametrize(
    ("animated", "turned", "remarks"),
    [
        (0, 0, ""),
        (1200, 0, "warning: 1,200 val images hold several frames, of which the first is used"),
        (0, 3, "3 val images were turned as their EXIF orientation says"),
        (
            2,
            3,
            "warning: 2 val images hold several frames, of which the first is used;"
            " 3 val images were turned as their EXIF orientation says",
        ),
    ],
)
def test_what_the_user_should_know(animated: int, turned: int, remarks: str) -> None:
    store = Store(torch.zeros(1), torch.zeros(1), torch.zeros(1), animated, turned)
    assert store.remarks("val") == remarks

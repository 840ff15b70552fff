"""The decoded images of a split: uint8, made once, out of which batches are gathered."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Store:
    """Images of one shape with their targets, in memory or mapped from a file.

    Attributes:
        images: uint8 (N, H, W, C).
        targets: Class indices, int64 (N,).
        index: Position of each image in the manifest, int64 (N,).
        animated: Files that hold more frames than the first, which was taken.
        turned: Images that were turned or mirrored, as their EXIF orientation says.
        slow: Whether `take` works long: never, the images are there.
        known: Their digest, where it is known without reading them all; else "".
        use: What keeps the file from being removed, for as long as it lives.
    """

    images: Tensor
    targets: Tensor
    index: Tensor
    animated: int = 0
    turned: int = 0
    slow: bool = False
    known: str = ""
    use: object = None

    def __len__(self) -> int:
        """Give the number of images."""
        return int(self.images.shape[0])

    def take(self, rows: Tensor, keys: Tensor) -> Tensor:
        """Give the images at rows, int64 (B,), as uint8 (B, H, W, C) in memory of their own; nothing is drawn."""
        # Seven times as fast as images[rows].
        return self.images.index_select(0, rows)

    def num_bytes(self) -> int:
        """Give the size of the pixels [bytes]."""
        return self.images.numel()

    def digest(self) -> str:
        """Give a sha256 (hex) over the shape, the pixels and the targets, in their order."""
        if self.known:
            return self.known
        digest = begun(tuple(self.images.shape))
        digest.update(self.images.numpy().data)
        digest.update(self.targets.numpy().data)
        return digest.hexdigest()

    def remarks(self, name: str) -> str:
        """Give what the user should know of these images, called by a name such as "train"; may be nothing."""
        return _remarks(self.animated, self.turned, name)


@dataclass(frozen=True)
class Ragged:
    """Images of different shapes with their targets, in memory or mapped from a file: regions are cut out of them.

    Attributes:
        pixels: All images one after another, uint8 (bytes,).
        sizes: Height and width of each, int64 (N, 2).
        offsets: Where each begins in pixels, and where the last one ends, int64 (N + 1,).
        channels: 1 or 3.
        targets: Class indices, int64 (N,).
        index: Position of each image in the manifest, int64 (N,).
        animated: As in Store.
        turned: As in Store.
        known: As in Store.
        use: As in Store.
    """

    pixels: Tensor
    sizes: Tensor
    offsets: Tensor
    channels: int
    targets: Tensor
    index: Tensor
    animated: int = 0
    turned: int = 0
    known: str = ""
    use: object = None

    def __len__(self) -> int:
        """Give the number of images."""
        return int(self.sizes.shape[0])

    def at(self, row: int) -> Tensor:
        """Give the image of a row, uint8 (h, w, C): a view of what is stored, which must not be changed."""
        height, width = self.sizes[row].tolist()
        begin, end = self.offsets[row : row + 2].tolist()
        return self.pixels[begin:end].view(height, width, self.channels)

    def num_bytes(self) -> int:
        """Give the size of the pixels [bytes]."""
        return self.pixels.numel()

    def digest(self) -> str:
        """Give a sha256 (hex) over the pixels, the shapes and the targets, in their order."""
        return self.known or digest_of_ragged(
            hashlib.sha256(self.pixels.numpy().data).digest(), self.sizes, self.channels, self.targets
        )

    def remarks(self, name: str) -> str:
        """Give what Store.remarks gives."""
        return _remarks(self.animated, self.turned, name)


def begun(shape: tuple[int, ...]) -> hashlib._Hash:
    """Give the digest of a Store that has this shape, into which pixels and targets still have to go."""
    return hashlib.sha256(repr(shape).encode())


def digest_of_ragged(pixels: bytes, sizes: Tensor, channels: int, targets: Tensor) -> str:
    """Give the digest of a Ragged from the sha256 of its pixels."""
    digest = hashlib.sha256(pixels + repr((len(sizes), channels)).encode())
    digest.update(sizes.contiguous().numpy().data)
    digest.update(targets.numpy().data)
    return digest.hexdigest()


def offsets_of(sizes: Tensor, channels: int) -> Tensor:
    """Give where images of these sizes, int64 (N, 2), begin and end when they follow one another, int64 (N + 1,)."""
    return torch.cat([torch.zeros(1, dtype=torch.int64), (sizes.prod(1) * channels).cumsum(0)])


def _remarks(animated: int, turned: int, name: str) -> str:
    upright = f"{turned:,} {name} images were turned as their EXIF orientation says" if turned else ""
    if not animated:
        return upright
    first = f"warning: {animated:,} {name} images hold several frames, of which the first is used"
    return f"{first}; {upright}" if upright else first

"""The images of each part of the split: decoded before the first step, in memory or on disk, or as they are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from cvrun import dist
from cvrun.augment import Augment
from cvrun.data import ImageForm, Manifest
from cvrun.pipeline import Images
from cvrun.pipeline.chunks import Bad, Decoding, decode_into
from cvrun.pipeline.kept import Bounded, Kept, Whole
from cvrun.pipeline.place import Cache, open_images
from cvrun.pipeline.region import Regions
from cvrun.pipeline.regions_near import RegionsNear, with_spare
from cvrun.pipeline.resident import fits, near
from cvrun.pipeline.store import Ragged, Store
from cvrun.pipeline.stores import fingerprint
from cvrun.pipeline.stream import Stream, stream_of
from cvrun.pipeline.unreadable import cannot_be_used
from cvrun.pipeline.workers import in_order
from cvrun.sections import Settings
from cvrun.split import Split

Decodable = Store | Ragged | Stream
"""Images in memory, on disk, or in their files."""


def kept_for(augment: Augment, form: ImageForm) -> Kept:
    """Give the shape in which training images are kept for an augmentation."""
    return Whole(form) if augment.region is None else Bounded(form.channels, augment.side, form.value_range)


def open_part(
    part: str,
    manifest: Manifest,
    indices: NDArray[np.int64],
    kept: Kept,
    settings: Settings,
    say: Callable[[str], object],
) -> tuple[Decodable, Bad]:
    """Give the images of a part of the split, and the errors of those that cannot be used.

    Shows how far the decoding is, and says what is worth a line. Of images that are decoded as they are needed no error
    is known yet, and none is left out.

    Args:
        part: Its name.
        manifest: What indices refer to.
        indices: Positions in the manifest, int64 (N,).
        kept: The shape of the images.
        settings: Where they are kept, and who decodes.
        say: Takes a line for the user.

    Raises:
        OutOfMemoryError: If they do not fit into memory.
        StorageError: If files are not read in time.
    """
    decoding = Decoding(part, manifest, indices, kept, settings.num_workers, settings.worker_timeout)
    cache = Cache(settings.cache, settings.cache_budget)
    with progress(f"decode {part}", len(indices)) as bar:
        opened = open_images(decoding, cache, say, lambda count: _advance(bar, count))
    return opened or (stream_of(manifest, indices, kept), {})


def images_of(
    part: str,
    manifest: Manifest,
    split: Split,
    settings: Settings,
    say: Callable[[str], object],
    kept: Kept | None = None,
) -> Decodable:
    """Give the images of a part of the split, as open_part does; all of them.

    Args:
        part: train, val or test.
        manifest: The data.
        split: Its parts, without what may be left out.
        settings: Where they are kept, and who decodes.
        say: Takes a line for the user: how long it took, odd images.
        kept: The shape of the images; None: the form of the data, as every evaluation sees them.

    Raises:
        DataError: If an image cannot be used.
    """
    images, bad = open_part(part, manifest, split.parts()[part], kept or Whole(manifest.form), settings, say)
    if bad:
        count = f"{len(bad)} of {len(images) + len(bad)} {part} images cannot be used"
        raise cannot_be_used(manifest, bad, count)
    if remarks := images.remarks(part):
        say(remarks)
    return images


def evaluated(images: Decodable, device: torch.device) -> Images:
    """Give images of one shape, on the device where they fit."""
    assert isinstance(images, Store | Stream)
    return near(images, device)


def augmented(images: Decodable, augment: Augment, size: int, device: torch.device) -> Images:
    """Give training images as an augmentation wants them: regions of size pixels, or the images themselves."""
    if augment.region is None:
        return evaluated(images, device)
    # What regions are cut out of is never of one shape; see kept_for.
    assert isinstance(images, Ragged | Stream)
    if device.type == "cuda" and isinstance(images, Ragged):
        there = with_spare(images, device) if fits(images.pixels, device) else None
        return RegionsNear(images, there, augment.region, size, device)
    return Regions(images, augment.region, size)


def where_cut(images: Images, device: torch.device) -> dict[str, str]:
    """Give what cuts regions out where a GPU could have: its levels and those of the CPU may differ by one."""
    if device.type == "cpu" or not isinstance(images, Regions | RegionsNear):
        return {}
    return {"regions": "cpu" if isinstance(images, Regions) else device.type}


def unusable(images: Stream, part: str, settings: Settings) -> Bad:
    """Give the errors of images that are decoded as they are needed: each is decoded once, and nothing is kept.

    Raises:
        OutOfMemoryError: If the memory does not suffice.
        StorageError: If files are not read in time.
    """
    indices = images.index.numpy()
    decoding = Decoding(part, images.manifest, indices, images.kept, settings.num_workers, settings.worker_timeout)
    with progress(f"check {part}", len(indices)) as bar:
        return decode_into(lambda images, sizes: None, decoding, lambda count: _advance(bar, count)).bad


def all_pixels(images: Decodable, settings: Settings) -> Iterable[Tensor]:
    """Give every image, uint8 (..., C): all at once where they are stored in one shape, else one by one, in order."""
    if isinstance(images, Store):
        return [images.images]
    if isinstance(images, Ragged):
        return map(images.at, range(len(images)))
    return _streamed(images, settings)


def _streamed(images: Stream, settings: Settings) -> Iterable[Tensor]:
    with progress("statistics", len(images)) as bar:
        for image in in_order(images.at, range(len(images)), settings.num_workers, settings.worker_timeout):
            _advance(bar, 1)
            yield image


def identity(images: Decodable) -> str:
    """Give what statistics of the images are kept under: a hash of their pixels, or of what they follow from."""
    if isinstance(images, Stream):
        return fingerprint(Decoding("", images.manifest, images.index.numpy(), images.kept, 0, 1))
    return images.digest()


def progress(text: str, total: int) -> tqdm[Any]:
    """Give a bar that shows how far work on total images is, once it takes longer than a moment."""
    # Of several processes that train together the first one on each machine shows how far they are.
    return tqdm(total=total, desc=text, disable=dist.local_rank() > 0 or None, leave=False, delay=1)


def _advance(bar: tqdm[Any], count: int) -> None:
    bar.update(count)

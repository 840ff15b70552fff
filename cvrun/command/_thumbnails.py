"""Small pictures of validation images, as the model sees them; no other part is opened."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cvrun.errors import CvrunError
from cvrun.pipeline.kept import Whole
from cvrun.pipeline.stream import stream_of
from cvrun.selection import Selection

SIDE = 64
"""[pixels] Of a picture at most."""


def thumbnails(selection: Selection, ids: Sequence[str]) -> tuple[dict[str, bytes], str]:
    """Give id -> PNG of those of ids that are validation images and can be read, and why there are none, if so.

    Args:
        selection: The data of the run.
        ids: Names of images.
    """
    if not ids:
        return {}, ""
    manifest = selection.manifest
    wanted = set(ids)
    rows = [i for i in selection.split.val.tolist() if manifest.ids[i] in wanted]
    images = stream_of(manifest, np.array(rows, dtype=np.int64), Whole(manifest.form))
    found = {}
    for place, row in enumerate(rows):
        try:
            found[manifest.ids[row]] = png(images.at(place).numpy())
        except CvrunError:
            # The table says "-": an image that has gone bad is not the report's concern.
            continue
    return found, "" if found else "none of these images can be read here"


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Give an image as PNG, at most SIDE pixels wide and high.

    Args:
        pixels: uint8 (H, W, C), C of 1 or 3.
    """
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()

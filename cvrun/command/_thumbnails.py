"""Small pictures of validation images, as the model sees them; no other part is opened."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cvrun.config import load
from cvrun.errors import CvrunError
from cvrun.folder import RunFolder
from cvrun.pipeline.kept import Whole
from cvrun.pipeline.stream import stream_of
from cvrun.selection import facts, select
from cvrun.yamlfile import load_yaml

SIDE = 64
"""[pixels] Of a picture at most."""


def thumbnails(folder: RunFolder, ids: Sequence[str]) -> tuple[dict[str, bytes], str]:
    """Give id -> PNG of those of ids that are validation images and can be read, and why there are none, if so.

    Where the data are gone, are others than those of the run, or have hidden names, there are none.
    """
    if not ids:
        return {}, ""
    try:
        spec = load(folder.spec, [])
        if spec.data.hash_ids:
            return {}, "data.hash_ids hides which images they are"
        selection = select(spec)
        if facts(selection).data_fingerprint != _fingerprint(folder):
            return {}, "the data are not those of the training any more"
    except CvrunError as error:
        return {}, f"the data cannot be read here ({error})"
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


def _fingerprint(folder: RunFolder) -> str:
    plan = load_yaml(folder.plan)
    found = plan.get("data") if isinstance(plan, dict) else None
    return str(found.get("data_fingerprint")) if isinstance(found, dict) else ""

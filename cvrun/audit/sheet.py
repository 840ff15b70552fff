"""A picture of a few training images of each class, as a model would see them: for a look at labels and colours."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from cvrun.audit.examine import Audit
from cvrun.data import Manifest
from cvrun.errors import DataError
from cvrun.pipeline.kept import Whole

COLUMNS, CLASSES = 8, 40
"""Images of a class, and classes, at most."""

_SMALLEST, _GAP, _LINE = 64, 4, 14
"""[pixels] Edge that smaller images are enlarged to, space between images, height of a line of text."""


def sheet(audit: Audit) -> bytes:
    """Give a PNG file with a row of images for each class, spread evenly over the training part."""
    manifest = audit.manifest
    classes = min(len(manifest.classes), CLASSES)
    edge = max(manifest.form.size, _SMALLEST)
    height = edge + _GAP + _LINE
    page = Image.new("RGB", (COLUMNS * (edge + _GAP) + _GAP, classes * height + _GAP), "white")
    draw = ImageDraw.Draw(page)
    rows = audit.rows(audit.names.index("train"))
    rows = rows[audit.notes["reason"][rows] == b""]
    for k in range(classes):
        own = audit.positions[rows[manifest.labels[audit.positions[rows]] == k]]
        name = manifest.classes[k].encode("ascii", errors="backslashreplace").decode()
        draw.text((_GAP, _GAP + k * height), f"{name}: {len(own):,} in train", fill="black")
        chosen = own[np.linspace(0, len(own) - 1, min(COLUMNS, len(own))).astype(np.int64)] if len(own) else own
        for column, position in enumerate(chosen.tolist()):
            place = (_GAP + column * (edge + _GAP), _GAP + _LINE + k * height)
            page.paste(_enlarged(_seen(manifest, position), edge), place)
    content = io.BytesIO()
    page.save(content, "PNG")
    return content.getvalue()


def _seen(manifest: Manifest, position: int) -> NDArray[np.uint8]:
    try:
        return Whole(manifest.form).decode(manifest, position).pixels
    except DataError as error:
        raise DataError(f"{error}", "it could be read a moment ago") from error


def _enlarged(pixels: NDArray[np.uint8], edge: int) -> Image.Image:
    """Give an image as RGB; of other numbers of channels than one and three the first alone."""
    shown = pixels if pixels.shape[2] == 3 else np.repeat(pixels[..., :1], 3, axis=2)
    return Image.fromarray(shown).resize((edge, edge), Image.Resampling.NEAREST)

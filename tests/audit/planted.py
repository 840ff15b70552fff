"""Pictures for tests of the audit: structure at several scales, so that any two differ, and copies of them."""

import io

import numpy as np
from PIL import Image


def picture(seed: int, size: int = 48) -> Image.Image:
    """A colour picture with coarse and fine structure, as photographs have."""
    random = np.random.default_rng(seed)
    total = np.zeros((size, size, 3))
    for edge in (3, 6, 12, 24):
        coarse = Image.fromarray(random.integers(0, 256, (edge, edge, 3)).astype(np.uint8))
        total += np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC), dtype=float) * (3 / edge)
    total -= total.min()
    return Image.fromarray((total * (200 / total.max()) + 20).astype(np.uint8))


def reencoded(image: Image.Image, quality: int) -> Image.Image:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=quality)
    return Image.open(io.BytesIO(content.getvalue())).convert("RGB")


def brighter(image: Image.Image, levels: int) -> Image.Image:
    return Image.fromarray(np.clip(np.asarray(image).astype(int) + levels, 0, 255).astype(np.uint8))


def smaller(image: Image.Image, scale: float) -> Image.Image:
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    return image.resize(size, Image.Resampling.BICUBIC)

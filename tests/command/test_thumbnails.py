import io

import numpy as np
import pytest
from PIL import Image

from cvrun.command._thumbnails import png, thumbnails
from cvrun.config import load
from cvrun.folder import RunFolder
from cvrun.selection import select


@pytest.mark.parametrize(("shape", "size"), [((8, 8, 1), (8, 8)), ((100, 50, 3), (32, 64)), ((64, 128, 1), (64, 32))])
def test_a_picture_has_at_most_64_pixels_a_side(shape, size):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    image = Image.open(io.BytesIO(png(pixels)))
    assert image.size == size and image.format == "PNG"
    if shape == (8, 8, 1):
        assert (np.asarray(image) == pixels[..., 0]).all()


def parts(folder):
    found = select(load(folder.spec, []))
    return {part: [found.manifest.ids[i] for i in rows] for part, rows in found.split.parts().items()}


def test_validation_images_alone_are_opened(finished_once):
    folder = RunFolder(finished_once)
    names = parts(folder)
    found, why = thumbnails(select(load(folder.spec, [])), [*names["train"][:3], *names["val"][:2], *names["test"][:3]])
    assert set(found) == set(names["val"][:2]) and why == ""


def test_a_picture_is_the_image_that_the_model_sees(finished_once):
    from sklearn.datasets import load_digits

    folder = RunFolder(finished_once)
    name = parts(folder)["val"][5]
    found, _ = thumbnails(select(load(folder.spec, [])), [name])
    pixels = np.asarray(Image.open(io.BytesIO(found[name]))).astype(int)
    original = load_digits().images[int(name)]
    assert np.corrcoef(pixels.ravel(), original.ravel())[0, 1] > 0.999

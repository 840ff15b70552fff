import io

import numpy as np
from PIL import Image

from cvrun.audit.examine import examine
from cvrun.audit.sheet import sheet
from cvrun.split import Split


def test_a_row_a_class_in_the_colours_of_the_images(listed):
    red, blue = (Image.new("RGB", (10, 10), colour) for colour in ((255, 0, 0), (0, 0, 255)))
    images = {f"{i}.png": ((red, "a") if i < 3 else (blue, "b")) for i in range(6)}
    split = Split(np.array([0, 1, 3]), np.array([2, 4]), np.array([5]))
    audit = examine(listed(images), split, ("train", "val"), 1, 60.0)
    page = np.asarray(Image.open(io.BytesIO(sheet(audit))).convert("RGB"))
    # 64 pixels an image, 4 between them, 14 for the line above.
    assert page.shape == (2 * 82 + 4, 8 * 68 + 4, 3)
    assert (page[18:82, 4:68] == (255, 0, 0)).all() and (page[18:82, 72:136] == (255, 0, 0)).all()
    assert (page[18:82, 140:204] == 255).all()
    assert (page[100:164, 4:68] == (0, 0, 255)).all()
    # Dark letters above each row.
    assert (page[4:16] < 128).all(axis=2).any() and (page[86:98] < 128).all(axis=2).any()

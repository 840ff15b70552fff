import numpy as np
import pytest
from PIL import Image

from cvrun.audit.examine import examine
from cvrun.command._data_report import statistics
from cvrun.data import ImageForm, Manifest
from cvrun.split import Split


@pytest.fixture
def audit(tmp_path):
    """Three images, 10x20, 30x20 and 50x20 pixels; the last, in val, has values that no training image has."""
    paths = []
    for i, width in enumerate((10, 30, 50)):
        values = np.full((20, width), (5, 9, 200)[i], np.uint8)
        values[0, 0] = (7, 11, 255)[i]
        paths.append(tmp_path / f"{i}.png")
        Image.fromarray(values).save(paths[-1])
    form = ImageForm(8, 1, "stretch")
    manifest = Manifest(("0", "1", "2"), np.zeros(3, np.int64), ("a",), form, paths=tuple(paths))
    return examine(manifest, Split(np.array([0, 1]), np.array([2]), np.array([], np.int64)), ("train", "val"), 1, 60.0)


def test_statistics_of_sizes_are_those_of_all_and_of_values_those_of_train(audit):
    assert statistics(audit) == {
        "width": {"least": 10, "middle": 30, "most": 50},
        "height": {"least": 20, "middle": 20, "most": 20},
        "aspect": {"least": 0.5, "middle": 1.5, "most": 2.5},
        "kinds": [{"mode": "L", "bits": 8, "channels": 1, "images": 3}],
        "values": [5, 11],
    }


def test_nothing_is_said_of_images_that_cannot_be_read(audit):
    audit.notes["reason"] = b"damaged"
    assert statistics(audit) == {}

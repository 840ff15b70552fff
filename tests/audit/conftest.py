import sys
from pathlib import Path

import numpy as np
import pytest

from cvrun.data import ImageForm, Manifest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def listed(tmp_path):
    """Save images below a folder, and give the manifest of all: name -> image and class."""

    def list_(images, classes=("a", "b"), channels=3, **more) -> Manifest:
        root = tmp_path / "listed"
        root.mkdir(exist_ok=True)
        for name, (image, _) in images.items():
            if isinstance(image, bytes):
                (root / name).write_bytes(image)
            else:
                image.save(root / name)
        labels = np.array([classes.index(label) for _, label in images.values()])
        paths = tuple(root / name for name in images)
        return Manifest(tuple(images), labels, classes, ImageForm(8, channels, "stretch"), paths=paths, **more)

    return list_

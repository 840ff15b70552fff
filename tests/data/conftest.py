import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image


class Idx:
    """Writes MNIST's format (yann.lecun.com/exdb/mnist, "the IDX file format") for all sets that share it."""

    def __call__(self, root: Path, name: str) -> None:
        raw = root / name / "raw"
        raw.mkdir(parents=True)
        for seed, (part, count) in enumerate({"train": 12, "t10k": 5}.items()):
            draw = np.random.RandomState(seed)
            images: NDArray[np.uint8] = draw.randint(0, 256, (count, 28, 28)).astype(np.uint8)
            labels = (np.arange(count) % 10).astype(np.uint8)
            header = struct.pack(">IIII", 0x803, count, 28, 28)
            (raw / f"{part}-images-idx3-ubyte").write_bytes(header + images.tobytes())
            (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, count) + labels.tobytes())


@pytest.fixture
def write_idx() -> Idx:
    return Idx()


class Picture:
    """Writes a small image, a different one for every path."""

    def __call__(self, path: Path, size: tuple[int, int] = (9, 7)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        colour = tuple(sum(str(path).encode()) * factor % 256 for factor in (1, 7, 31))
        Image.new("RGB", size, colour).save(path)
        return path


@pytest.fixture
def picture() -> Picture:
    return Picture()

"""What it costs to decode images once, into memory or onto the disk, to open them again, and to take batches of them.

Everything runs in turn in one process, ROUNDS times, on files that the system has in memory already; printed are
medians with their range. Small images are CIFAR-10's 50,000 training images where shared/data has them, else generated;
large ones are generated photographs of 640x480 pixels, kept at 224x224 or in their own shape with a side of 256.
"""

import argparse
import os
import statistics
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from cvrun.data import ImageForm, Manifest
from cvrun.pipeline import stores
from cvrun.pipeline.blocks import check
from cvrun.pipeline.chunks import Decoding
from cvrun.pipeline.disk import PIXELS, read_header
from cvrun.pipeline.kept import Bounded, Kept, Whole
from cvrun.pipeline.place import Cache, open_images

ROUNDS, LARGE, TAKES = 5, 1000, 200
WORKERS = (0, 1, 2)
CIFAR = Path(__file__).resolve().parents[2] / "shared" / "data" / "cifar10-train.tar.gz"

Rows = dict[str, list[float]]


def manifest_of(paths: list[Path], size: int) -> Manifest:
    names = tuple(str(path) for path in paths)
    form = ImageForm(size, 3, "crop")
    return Manifest(names, np.zeros(len(paths), np.int64), ("x",), form, paths=tuple(paths))


def generated(folder: Path, count: int, width: int, height: int) -> list[Path]:
    """Smooth images with some noise, which compress about as photographs do."""
    random = np.random.default_rng(0)
    folder.mkdir()
    paths = [folder / f"{i:05d}.jpg" for i in range(count)]
    for path in paths:
        coarse = Image.fromarray(random.integers(0, 256, (8, 8, 3)).astype(np.uint8)).resize((width, height))
        noise = random.integers(-12, 13, (height, width, 3))
        Image.fromarray((np.asarray(coarse) + noise).clip(0, 255).astype(np.uint8)).save(path, quality=90)
    return paths


def small_images(root: Path, quick: bool) -> list[Path]:
    if quick or not CIFAR.is_file():
        return generated(root / "small", 60 if quick else 10_000, 32, 32)
    with tarfile.open(CIFAR) as tar:
        tar.extractall(root, filter="data")
    return sorted((root / "cifar10-train").rglob("*.jpg"))


@contextmanager
def timed(rows: Rows, name: str, amount: float) -> Iterator[None]:
    """Add what is done in a second."""
    began = time.perf_counter()
    yield
    rows.setdefault(name, []).append(amount / (time.perf_counter() - began))


def opened(decoding: Decoding, mode: str) -> object:
    found = open_images(decoding, Cache(mode, 1e6), lambda line: None, lambda count: None)
    assert found is not None and not found[1], "an image cannot be decoded"
    return found[0]


def measure(rows: Rows, paths: list[Path], size: int, kept: Kept) -> None:
    """One round: decode with each number of workers, both ways, and open what is on disk."""
    manifest, count = manifest_of(paths, size), len(paths)
    decoding = Decoding("train", manifest, np.arange(count), kept, 0, 600.0)
    path = stores.root() / stores.fingerprint(decoding)
    for workers in WORKERS:
        with_workers = Decoding("train", manifest, decoding.indices, kept, workers, 600.0)
        with timed(rows, f"decode into memory, {workers} workers [images/s]", count):
            opened(with_workers, "ram")
        stores.discard(path)
        with timed(rows, f"decode onto the disk, {workers} workers [images/s]", count):
            opened(with_workers, "disk")
    with timed(rows, "open what is on disk [images/s]", count):
        opened(decoding, "disk")
    entry = read_header(path)["files"][PIXELS]
    handle = os.open(path / PIXELS, os.O_RDONLY)
    with timed(rows, "of that, compare all hashes [GB/s]", entry["size"] / 1e9):
        check(handle, entry)
    os.close(handle)
    if isinstance(kept, Whole):
        stored, memory = opened(decoding, "disk"), opened(decoding, "ram")
        take(rows, {"on disk": stored.take, "in memory": memory.take}, count, 512 if size <= 32 else 32)


def take(rows: Rows, ways: dict[str, Callable], count: int, batch: int) -> None:
    draws = [torch.randint(count, (batch,)) for _ in range(TAKES)]
    for name, way in ways.items():
        # Touched once, as every epoch but the first finds it.
        way(torch.arange(count), draws[0])
        with timed(rows, f"batches of {batch} from what is {name} [images/s]", batch * TAKES):
            for draw in draws:
                way(draw, draw)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few images, one round: only to see that it runs")
    quick = parser.parse_args(argv).quick
    torch.set_num_threads(1)
    kept_cache = os.environ.get("CVRUN_CACHE")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        os.environ["CVRUN_CACHE"] = str(root / "cache")
        try:
            small, large = small_images(root, quick), generated(root / "large", 8 if quick else LARGE, 640, 480)
            for paths, size, kept in (
                (small, 32, Whole(ImageForm(32, 3, "crop"))),
                (large, 224, Whole(ImageForm(224, 3, "crop"))),
                (large, 224, Bounded(3, 256)),
            ):
                rows: Rows = {}
                for _ in range(1 if quick else ROUNDS):
                    measure(rows, paths, size, kept)
                print(f"{len(paths):,} files, kept as {kept.about()}, {len(next(iter(rows.values())))} rounds")
                for row, values in rows.items():
                    digits = 1 if "GB/s" in row else 0
                    middle, low, high = (f"{f(values):,.{digits}f}" for f in (statistics.median, min, max))
                    print(f"  {row:<52} {middle:>9}  ({low} to {high})")
        finally:
            if kept_cache is None:
                del os.environ["CVRUN_CACHE"]
            else:
                os.environ["CVRUN_CACHE"] = kept_cache


if __name__ == "__main__":
    main()

import hashlib
import json
import math

import numpy as np
import pytest
import torch

from cvrun.normalize import Affine, Source, zscore


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(zscore, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache" / "normalize"


class Images:
    """Training images that count how often they are asked for."""

    def __init__(self, images):
        self.images, self.reads = torch.as_tensor(images), 0

    def read(self):
        self.reads += 1
        return self.images

    def source(self) -> Source:
        digest = hashlib.sha256(self.images.numpy().tobytes()).hexdigest()
        return Source(self.images.shape[-1], self.read, lambda: digest, None)


def random_images(num=50, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (num, 7, 6, channels), dtype=np.uint8)


def fit(images) -> Affine:
    return zscore.build(zscore.Config(), Images(images).source())


@pytest.mark.parametrize("channels", [1, 3])
def test_statistics_are_those_of_numpy(channels):
    images = random_images(channels=channels)
    affine = fit(images)
    scaled = images.astype(np.float64) / 255
    np.testing.assert_allclose(affine.mean, scaled.mean(axis=(0, 1, 2)), rtol=1e-14)
    np.testing.assert_allclose(affine.std, scaled.std(axis=(0, 1, 2)), rtol=1e-13)


def test_chunks_change_nothing(monkeypatch):
    images = torch.from_numpy(random_images())
    whole = zscore.moments([images], 3)
    assert zscore.moments(images, 3) == zscore.moments(images.view(25, 84, 3).split(2), 3) == whole
    monkeypatch.setattr(zscore, "CHUNK", 3 * 7 * 6 * 3)
    assert zscore.moments([images], 3) == whole


@pytest.mark.parametrize("channels", [1, 3])
def test_the_result_has_mean_zero_and_deviation_one(channels):
    images = random_images(500, channels)
    normalized = fit(images)(torch.from_numpy(images).permute(0, 3, 1, 2)).double()
    # Checklist B3.
    assert normalized.mean(dim=(0, 2, 3)).abs().max() < 1e-5
    assert (normalized.std(dim=(0, 2, 3), correction=0) - 1).abs().max() < 1e-4


def test_a_tiny_spread_on_a_bright_image_does_not_cancel():
    images = np.full((1000, 10, 10, 1), 255, dtype=np.uint8)
    images[0, 0, 0, 0] = 254
    # One of n = 100,000 pixels differs by one step: population variance (n - 1) / n**2 steps.
    n = 100_000
    assert fit(images).std[0] == pytest.approx(math.sqrt((n - 1) / n**2) / 255, rel=1e-12)


def test_a_constant_channel_is_only_shifted():
    images = random_images()
    images[..., 1] = 51
    affine = fit(images)
    assert affine.mean[1] == pytest.approx(0.2, rel=1e-15)
    assert affine.std[1] == 1.0
    assert affine(torch.full((1, 3, 1, 1), 51, dtype=torch.uint8))[0, 1].abs().item() < 1e-7


def test_the_state_makes_the_round_trip():
    affine = fit(random_images())
    assert Affine.from_state(json.loads(json.dumps(affine.state()))) == affine


def test_a_cache_hit_gives_identical_numbers_and_reads_no_image(cache):
    images = Images(random_images())
    first = zscore.build(zscore.Config(), images.source())
    assert len(list(cache.iterdir())) == 1
    assert zscore.build(zscore.Config(), images.source()) == first
    assert images.reads == 1


def test_other_training_images_have_other_statistics(cache):
    images = random_images()
    first = fit(images)
    images[0, 0, 0, 0] ^= 255
    assert fit(images) != first
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("2100", "2101", 1),
        lambda text: "7",
        lambda text: '{"a": 1, "b": 2, "c": 3, "d": 4}',
        lambda text: "\udcff",
    ],
    ids=["empty", "cut", "changed", "number", "other", "no text"],
)
def test_a_damaged_cache_file_is_replaced(cache, damage):
    images = Images(random_images())
    first = zscore.build(zscore.Config(), images.source())
    (path,) = cache.iterdir()
    intact = path.read_text()
    damaged = damage(intact)
    assert damaged != intact
    path.write_bytes(damaged.encode(errors="surrogateescape"))
    assert zscore.build(zscore.Config(), images.source()) == first
    assert images.reads == 2
    assert path.read_text() == intact


def test_a_cache_folder_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(zscore, "cache_folder", lambda: tmp_path / "file")
    images = random_images()
    assert fit(images).mean == pytest.approx((images / 255).mean(axis=(0, 1, 2)).tolist())


def test_a_full_disk_leaves_nothing_behind(cache, monkeypatch):
    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zscore.os, "replace", fail)
    fit(random_images())
    assert list(cache.iterdir()) == []


@pytest.mark.slow
def test_cifar10_as_jpeg(cifar10_folder):
    from PIL import Image

    files = sorted(cifar10_folder.glob("*/*.jpg"))
    affine = fit(np.stack([np.asarray(Image.open(file)) for file in files]))
    # Checklist B3; the usual constants of the PNG edition differ (.2470, .2435, .2616).
    assert affine.mean == pytest.approx((0.4913, 0.4821, 0.4465), abs=5e-5)
    assert affine.std == pytest.approx((0.2452, 0.2428, 0.2606), abs=5e-5)

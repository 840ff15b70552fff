import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cvrun.normalize import Source, _histogram, minmax, zscore
from cvrun.normalize._histogram import fitted, histogram, mean_and_std, quantile


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CVRUN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "normalize"


class Images:
    """Training images that count how often they are asked for."""

    def __init__(self, images, name="a"):
        self.images, self.name, self.reads = torch.as_tensor(images), name, 0

    def read(self):
        self.reads += 1
        return self.images

    def source(self) -> Source:
        return Source(self.images.shape[-1], self.read, lambda: self.name, None)


def random_images(num=50, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (num, 7, 6, channels), dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 2, 3, 13])
def test_counts_are_those_of_numpy(channels):
    images = random_images(channels=channels)
    found = histogram([torch.from_numpy(images)], channels)
    expected = [np.bincount(images[..., channel].ravel(), minlength=256) for channel in range(channels)]
    assert found.dtype == torch.int64 and np.array_equal(found, expected)
    assert np.array_equal(fitted(Images(images).source(), "global"), [sum(expected)])


def test_chunks_change_nothing(monkeypatch):
    images = torch.from_numpy(random_images())
    whole = histogram([images], 3)
    assert torch.equal(histogram(images, 3), whole)
    assert torch.equal(histogram(images.view(25, 84, 3).split(2), 3), whole)
    monkeypatch.setattr(_histogram, "CHUNK", 3 * 7 * 6 * 3)
    assert torch.equal(histogram([images], 3), whole)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.25, 1 / 3, 0.5, 0.99, 1.0])
@pytest.mark.parametrize("num", [1, 2, 50])
def test_quantiles_are_those_of_numpy(share, num):
    images = random_images(num)
    images[..., 1] = 7
    images[..., 2] //= 64
    expected = np.quantile(images.astype(np.float64), share, axis=(0, 1, 2))
    np.testing.assert_allclose(quantile(histogram([torch.from_numpy(images)], 3), share), expected, rtol=1e-12)


def test_mean_and_deviation_do_not_lose_digits():
    """10^12 pixels, one of them a level below the rest: n - 1 over n squared levels squared, in whole numbers."""
    counts = torch.zeros(1, 256, dtype=torch.int64)
    counts[0, 254], counts[0, 255] = 1, 10**12 - 1
    mean, std = mean_and_std(counts)
    assert mean[0] == pytest.approx((255 - 1e-12) / 255, rel=1e-15)
    assert std[0] == pytest.approx((10**12 - 1) ** 0.5 / 10**12 / 255, rel=1e-12)


def test_a_cache_hit_gives_identical_numbers_and_reads_no_image(cache):
    images = Images(random_images())
    first = fitted(images.source(), "channel")
    assert len(list(cache.iterdir())) == 1
    assert torch.equal(fitted(images.source(), "channel"), first)
    assert images.reads == 1


def test_all_that_is_fitted_shares_one_file(cache):
    images = Images(random_images())
    for scope in ("channel", "global"):
        zscore.build(zscore.Config(scope), images.source())
        minmax.build(minmax.Config("1%", "fit", scope, True), images.source())
    assert images.reads == 1 and len(list(cache.iterdir())) == 1


def test_other_pixels_have_a_file_of_their_own(cache):
    ours, others = Images(random_images(), "a"), Images(random_images(seed=1), "b")
    first = fitted(ours.source(), "channel")
    assert not torch.equal(fitted(others.source(), "channel"), first)
    assert torch.equal(fitted(ours.source(), "channel"), first)
    assert len(list(cache.iterdir())) == 2


def test_a_file_under_the_name_of_other_pixels_is_not_used(cache):
    ours, others = Images(random_images(), "a"), Images(random_images(seed=1), "b")
    expected = fitted(ours.source(), "channel")
    fitted(others.source(), "channel")
    paths = {path.name.partition(".")[0]: path for path in cache.iterdir()}
    paths["b"].replace(paths["a"])
    assert torch.equal(fitted(ours.source(), "channel"), expected)
    assert ours.reads == 2


def test_a_file_of_another_number_of_channels_is_not_used():
    fitted(Images(random_images(channels=1)).source(), "channel")
    assert fitted(Images(random_images()).source(), "channel").shape == (3, 256)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("1", "2", 1),
        lambda text: "7",
        lambda text: "[[], 7]",
        lambda text: '{"a": 1, "b": 2}',
        lambda text: "[" * 100_000,
        lambda text: "\udcff",
    ],
    ids=["empty", "cut", "changed", "number", "other", "keys", "deep", "no text"],
)
def test_a_damaged_cache_file_is_replaced(cache, damage):
    images = Images(random_images())
    first = fitted(images.source(), "channel")
    (path,) = cache.iterdir()
    intact = path.read_text()
    damaged = damage(intact)
    assert damaged != intact
    path.write_bytes(damaged.encode(errors="surrogateescape"))
    assert torch.equal(fitted(images.source(), "channel"), first)
    assert images.reads == 2
    assert path.read_text() == intact


def test_a_cache_folder_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CVRUN_CACHE", str(tmp_path / "file"))
    images = random_images()
    assert fitted(Images(images).source(), "global").sum() == images.size


def test_a_full_disk_leaves_nothing_behind(cache, monkeypatch):
    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    fitted(Images(random_images()).source(), "channel")
    assert list(cache.iterdir()) == []


def test_the_file_is_text_that_names_its_pixels_by_their_hash_alone(cache):
    fitted(Images(random_images(), "abc").source(), "channel")
    (path,) = cache.iterdir()
    counts, _ = json.loads(path.read_text())
    assert path.name == "abc.histogram.json" and np.array(counts).shape == (3, 256)

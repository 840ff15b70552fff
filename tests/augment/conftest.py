import pytest
import torch

from cvrun.rng import key, sample_keys


@pytest.fixture
def pictures():
    """Random images as the pipeline gives them: uint8 (B, C, H, W) views of (B, H, W, C) memory."""

    def draw(num: int, channels: int = 3, height: int = 19, width: int = 26, seed: int = 0) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        images = torch.randint(0, 256, (num, height, width, channels), dtype=torch.uint8, generator=generator)
        # Each second image has a narrower range and flat patches, as photographs have.
        images[1::2] = images[1::2] // 3 + 40
        images[1::2, :8, :8] = 77
        return images.permute(0, 3, 1, 2)

    return draw


@pytest.fixture
def keys_of():
    """Keys of num samples in an epoch, int64 (num,)."""

    def draw(num: int, epoch: int = 0) -> torch.Tensor:
        index = torch.arange(num)
        return sample_keys(key(0, "augment", epoch), index, torch.zeros_like(index))

    return draw


@pytest.fixture
def numbers():
    """Random numbers between low and high, float64 (num,)."""

    def draw(num: int, low: float, high: float, seed: int = 1) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return low + (high - low) * torch.rand(num, dtype=torch.float64, generator=generator)

    return draw

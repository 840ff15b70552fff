"""Keyed randomness: every random number is a pure function of what it is for.

Nothing here keeps state, so a checkpoint holds no generator state, a resumed run skips in O(1), and the number of
workers or the evaluation interval cannot change a draw. Keys are 64-bit values of blake2b; per-sample draws come
from SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014) written in
tensor arithmetic, so a whole batch is drawn in a few operations on any device.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

SCHEME = 1
"""Version of the way in which keys become numbers; stored in checkpoints."""

_MASK = (1 << 64) - 1
_GAMMA = 0x9E3779B97F4A7C15
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB


def key(*parts: int | str) -> int:
    """Give the 64-bit key of parts, such as `key(seed, "shuffle", epoch)`; [0, 2**64)."""
    text = "|".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def generator(*parts: int | str) -> torch.Generator:
    """Give a CPU generator that is seeded by the key of parts."""
    return torch.Generator().manual_seed(key(*parts))


def seed_all(*parts: int | str) -> None:
    """Seed torch's global generators (CPU, and CUDA where it is in use) by the key of parts.

    For what draws from the global generator and cannot be given one: weight initialization, dropout, drop path.
    """
    value = key(*parts)
    # torch.manual_seed formats a stack trace before CUDA is up, which costs 125 us a step.
    torch.default_generator.manual_seed(value)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(value)


def sample_keys(base: int, index: Tensor, occurrence: Tensor) -> Tensor:
    """Give one key a sample, a function of (base, index, occurrence) alone.

    Args:
        base: A key, such as `key(seed, "augment", epoch)`.
        index: Position of each sample in the manifest, int64 (B,).
        occurrence: How often the sample came before in this epoch, int64 (B,); 0 without replacement.

    Returns:
        Keys, int64 (B,), to be read as unsigned.
    """
    mixed = _mix(index + _signed(base))
    return _mix(mixed + occurrence * _signed(_GAMMA))


def uniform(keys: Tensor, num: int, stream: str = "") -> Tensor:
    """Give num uniform numbers a key.

    Args:
        keys: int64 (B,), from sample_keys.
        num: Numbers a sample.
        stream: Name of what they are for; operations with different names draw independently.

    Returns:
        float32 (B, num) in [0, 1), multiples of 2**-24.
    """
    start = keys + _signed(key("stream", stream)) if stream else keys
    counter = torch.arange(1, num + 1, dtype=torch.int64, device=keys.device) * _signed(_GAMMA)
    return _shift(_mix(start[:, None] + counter), 40).to(torch.float32) * 2.0**-24


def _signed(value: int) -> int:
    """Read a 64-bit unsigned value as the int64 with the same bits."""
    value &= _MASK
    return value - (1 << 64) if value >> 63 else value


def _shift(x: Tensor, bits: int) -> Tensor:
    """Shift right without sign extension."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _mix(z: Tensor) -> Tensor:
    """SplitMix64's output function on int64, which wraps as unsigned arithmetic does."""
    z = (z ^ _shift(z, 30)) * _signed(_MIX_1)
    z = (z ^ _shift(z, 27)) * _signed(_MIX_2)
    return z ^ _shift(z, 31)

import hashlib

import numpy as np
import pytest
import torch

from cvrun import rng

# The first outputs of SplitMix64 seeded with 1234567, from the reference implementation in C.
SPLITMIX = [
    6457827717110365317,
    3203168211198807973,
    9817491932198370423,
    4593380528125082431,
    16408922859458223821,
]
GAMMA = 0x9E3779B97F4A7C15


def signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def splitmix(seed: int, num: int) -> list[int]:
    """SplitMix64 in Python's whole numbers."""
    found, mask = [], (1 << 64) - 1
    for _ in range(num):
        seed = (seed + GAMMA) & mask
        z = seed
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        found.append(z ^ (z >> 31))
    return found


def test_reference_gives_the_published_numbers():
    assert splitmix(1234567, 5) == SPLITMIX


@pytest.mark.parametrize("seed", [1234567, 0, 1, (1 << 63) + 12345, (1 << 64) - 1])
def test_uniform_is_the_upper_24_bits_of_splitmix(seed):
    numbers = rng.uniform(torch.tensor([signed(seed)]), 5)
    assert numbers.dtype == torch.float32 and numbers.shape == (1, 5)
    assert numbers[0].tolist() == [(value >> 40) / 2**24 for value in splitmix(seed, 5)]


def test_key_is_blake2b_of_the_joined_parts():
    wanted = int.from_bytes(hashlib.blake2b(b"7|shuffle|3", digest_size=8).digest(), "big")
    assert rng.key(7, "shuffle", 3) == wanted
    assert 0 <= wanted < 2**64


def test_keys_of_other_parts_differ():
    parts = [(0,), (1,), ("0", "1"), (0, 1, 2), (1, 0), (12,), (1, 2), ("shuffle", 0), ("augment", 0)]
    assert len({rng.key(*part) for part in parts}) == len(parts)


def test_streams_start_where_their_name_says():
    start = splitmix((5 + rng.key("stream", "flip")) % 2**64, 3)
    assert rng.uniform(torch.tensor([5]), 3, "flip")[0].tolist() == [(value >> 40) / 2**24 for value in start]


def test_sample_keys_against_whole_numbers():
    base, index, occurrence = 2**64 - 3, 17, 2
    first = splitmix((base + index - GAMMA) % 2**64, 1)[0]
    second = splitmix((first + occurrence * GAMMA - GAMMA) % 2**64, 1)[0]
    found = rng.sample_keys(base, torch.tensor([index]), torch.tensor([occurrence]))
    assert found.dtype == torch.int64
    assert found.tolist() == [signed(second)]


def draws(seed=0, epoch=0, num=50_000, stream="flip"):
    index = torch.arange(num)
    keys = rng.sample_keys(rng.key(seed, "augment", epoch), index, torch.zeros_like(index))
    return rng.uniform(keys, 2, stream).double().numpy()


def test_numbers_lie_in_the_half_open_interval_and_are_uniform():
    numbers = draws()
    assert numbers.min() >= 0 and numbers.max() < 1
    counts, _ = np.histogram(numbers, bins=100, range=(0, 1))
    # chi-square with 99 degrees of freedom: above 148 with probability 0.001
    assert ((counts - 1000) ** 2 / 1000).sum() < 148


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"stream": "flip"}, {"stream": "crop"}),
        ({"stream": ""}, {"stream": "flip"}),
        ({"seed": 0}, {"seed": 1}),
        ({"epoch": 0}, {"epoch": 1}),
    ],
    ids=str,
)
def test_streams_seeds_and_epochs_are_uncorrelated(one, other):
    a, b = draws(**one)[:, 0], draws(**other)[:, 0]
    # the standard error of a correlation of 50,000 independent pairs is 1 / sqrt(50,000)
    assert abs(np.corrcoef(a, b)[0, 1]) < 5 / np.sqrt(50_000)
    assert abs(np.corrcoef(a[1:], b[:-1])[0, 1]) < 5 / np.sqrt(50_000)


def test_numbers_of_one_sample_and_of_neighbours_are_uncorrelated():
    numbers = draws()
    assert abs(np.corrcoef(numbers.T)[0, 1]) < 5 / np.sqrt(50_000)
    assert abs(np.corrcoef(numbers[1:, 0], numbers[:-1, 0])[0, 1]) < 5 / np.sqrt(50_000)


def test_neighbouring_seeds_share_no_keys():
    """Adding seed and index would give sample 1 of seed 0 the numbers of sample 0 of seed 1."""
    index = torch.arange(2000)
    zero = torch.zeros_like(index)
    keys = [rng.sample_keys(rng.key(seed, "augment", epoch), index, zero) for seed in range(4) for epoch in range(4)]
    assert len(torch.cat(keys).unique()) == 16 * 2000


def test_occurrences_of_one_image_differ():
    index = torch.full((1000,), 3)
    assert len(rng.sample_keys(1, index, torch.arange(1000)).unique()) == 1000


def test_a_sample_does_not_depend_on_its_batch():
    index, occurrence = torch.arange(64), torch.zeros(64, dtype=torch.int64)
    whole = rng.uniform(rng.sample_keys(9, index, occurrence), 4, "crop")
    shuffled = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    parts = [rng.uniform(rng.sample_keys(9, part, occurrence[part]), 4, "crop") for part in shuffled.split(7)]
    assert torch.equal(torch.cat(parts), whole[shuffled])


def test_more_numbers_do_not_change_the_first():
    keys = torch.tensor([1, 2, 3])
    assert torch.equal(rng.uniform(keys, 8)[:, :3], rng.uniform(keys, 3))


def test_generator_is_seeded_by_the_key():
    wanted = torch.randperm(10, generator=torch.Generator().manual_seed(rng.key(3, "shuffle", 1)))
    assert torch.equal(torch.randperm(10, generator=rng.generator(3, "shuffle", 1)), wanted)


def test_seed_all_is_what_manual_seed_does():
    rng.seed_all(3, "init")
    found = torch.rand(5)
    torch.manual_seed(rng.key(3, "init"))
    assert torch.equal(found, torch.rand(5))

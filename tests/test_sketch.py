"""How much two sets share, from the smallest hashes of each."""

import hashlib

import pytest

from cvrun.sketch import shared, sketch


def hashes(*ranges):
    return [hashlib.sha256(f"{i}".encode()).hexdigest() for numbers in ranges for i in numbers]


def test_it_has_the_64_smallest_of_a_set_whatever_its_order():
    every = hashes(range(1000))
    found = sketch(every)
    assert found.split() == sorted(each[:16] for each in every)[:64]
    assert sketch(reversed(every)) == sketch(every * 2) == found
    assert sketch([]) == ""


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (range(50), range(50), 1),
        (range(50), range(1, 50), 49 / 50),
        (range(60), range(50, 63), 10 / 63),
        (range(60), range(100, 163), 0),
        (range(3), range(0), 0),
        (range(0), range(0), 0),
    ],
)
def test_it_is_exact_for_small_sets(one, other, expected):
    assert shared(sketch(hashes(one)), sketch(hashes(other))) == shared(sketch(hashes(other)), sketch(hashes(one)))
    assert shared(sketch(hashes(one)), sketch(hashes(other))) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("common", "first", "second"),
    [(900, 50, 50), (500, 250, 250), (100, 450, 450), (30, 0, 970), (999, 1, 0), (0, 500, 500), (500, 0, 0)],
)
def test_it_is_near_the_share_of_large_sets(common, first, second):
    """Against the share that is counted, in 100 draws: their mean, and how far the worst of them is off."""
    truth, found = common / (common + first + second), []
    for draw in range(100):
        start = draw * 10_000
        one = hashes(range(start, start + common), range(start + 5000, start + 5000 + first))
        other = hashes(range(start, start + common), range(start + 7000, start + 7000 + second))
        found.append(shared(sketch(one), sketch(other)))
    spread = (truth * (1 - truth) / 64) ** 0.5
    assert sum(found) / 100 == pytest.approx(truth, abs=4 * spread / 10 + 0.005)
    assert max(abs(each - truth) for each in found) <= 5 * spread

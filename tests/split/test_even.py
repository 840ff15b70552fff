import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cvrun.split._even import even


def distance(counts, share, part):
    """Chi-square distance between the parts and their shares of every class, as a plain sum."""
    whole = counts.sum(axis=0)
    return sum(
        ((counts[part == number].sum(axis=0) - size * whole) ** 2 / (size * whole)).sum()
        for number, size in enumerate(share)
    )


def test_a_group_moves_and_groups_change_places():
    # 4 + 4 + 1 + 1 of 10: one of each on either side, which a move alone does not reach.
    counts = np.array([[4.0], [4.0], [1.0], [1.0]])
    part = even(counts, np.array([0.5, 0.5]), np.array([0, 0, 1, 1]))
    assert [counts[part == side].sum() for side in (0, 1)] == [5, 5]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=4, max_size=30),
    st.lists(st.floats(0.1, 1.0), min_size=2, max_size=4),
    st.integers(0, 2**32 - 1),
)
def test_no_part_gets_worse_or_empty(rows, sizes, seed):
    counts = np.array(rows, dtype=np.float64) + np.eye(2)[np.arange(len(rows)) % 2]
    share = np.array(sizes) / sum(sizes)
    before = np.concatenate([np.arange(len(sizes)), np.random.default_rng(seed).integers(0, len(sizes), 30)])[
        : len(rows)
    ]
    given_part = before.copy()
    after = even(counts, share, before)
    assert distance(counts, share, after) <= distance(counts, share, before) + 1e-6
    assert set(after.tolist()) == set(range(len(sizes)))
    assert before.tolist() == given_part.tolist()

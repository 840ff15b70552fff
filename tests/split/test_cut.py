import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from cvrun.split._cut import cut


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(2, 40), min_size=1, max_size=12),
    st.floats(0.05, 0.95),
    st.integers(0, 2**32 - 1),
    st.booleans(),
)
def test_draws_what_scikit_learn_draws(counts: list[int], share: float, seed: int, stratify: bool) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(3 * np.arange(len(counts)), counts))
    rows = 7 + 2 * np.arange(len(labels))
    size = min(max(int(share * len(rows)), len(counts)), len(rows) - len(counts))
    left, part = cut(rows, size, seed, labels if stratify else None)
    expected = train_test_split(rows, test_size=size, random_state=seed, stratify=labels if stratify else None)
    assert left.tolist() == expected[0].tolist()
    assert part.tolist() == expected[1].tolist()


def test_equal_classes_get_equal_shares() -> None:
    labels = np.arange(100) % 4
    left, part = cut(np.arange(100), 20, 0, labels)
    assert np.bincount(labels[part]).tolist() == [5, 5, 5, 5]
    assert sorted([*left.tolist(), *part.tolist()]) == list(range(100))

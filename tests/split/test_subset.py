from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvrun.errors import DataError
from cvrun.split._subset import subset


def test_a10_a_quarter_of_50000_is_12500_and_subsets_are_nested(make: Any) -> None:
    manifest = make(np.random.RandomState(0).permutation(np.repeat(np.arange(10), 5000)).tolist())
    rows = np.arange(50_000)
    found = {f: subset(manifest, rows, f, 0) for f in (0.1, 0.25, 0.5, 1.0)}
    assert {f: len(taken) for f, taken in found.items()} == {0.1: 5000, 0.25: 12_500, 0.5: 25_000, 1.0: 50_000}
    for smaller, larger in ((0.1, 0.25), (0.25, 0.5), (0.5, 1.0)):
        assert set(found[smaller].tolist()) <= set(found[larger].tolist())
    assert manifest.counts(found[0.25]).tolist() == [1250] * 10
    assert subset(manifest, rows, 0.25, 0).tolist() == found[0.25].tolist()
    assert subset(manifest, rows, 0.25, 1).tolist() != found[0.25].tolist()


@settings(max_examples=100, deadline=None)
@given(
    counts=st.lists(st.integers(1, 60), min_size=1, max_size=8),
    fractions=st.lists(st.floats(0.01, 1.0), min_size=2, max_size=6),
    seed=st.integers(0, 2**40),
)
def test_counts_are_exact_and_classes_within_one(
    make: Any, counts: list[int], fractions: list[float], seed: int
) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    manifest = make(np.random.default_rng(seed % 2**32).permutation(labels).tolist())
    rows = np.arange(len(labels))
    before: set[int] = set()
    for fraction in sorted(fractions):
        try:
            taken = subset(manifest, rows, fraction, seed)
        except DataError as error:
            assert "hold none of class" in str(error)
            assert min(np.array(counts) * fraction) < 1
            continue
        assert len(taken) == np.floor(fraction * len(rows) + 0.5)
        assert (np.abs(manifest.counts(taken) - np.array(counts) * len(taken) / len(rows)) < 1).all()
        assert before <= set(taken.tolist())
        before = set(taken.tolist())


def test_an_image_that_is_gone_moves_few_others(make: Any) -> None:
    manifest = make([0, 1] * 500)
    rows = np.arange(1000)
    taken = set(subset(manifest, rows, 0.3, 0).tolist())
    without = set(subset(manifest, np.delete(rows, 7), 0.3, 0).tolist())
    assert len(taken ^ without) <= 4


def test_whole_groups_nested_and_near(make: Any) -> None:
    draw = np.random.RandomState(0)
    groups = [f"g{g}" for g in draw.randint(0, 120, 3000)]
    manifest = make((draw.rand(3000) < 0.2).astype(int).tolist(), groups)
    rows = np.arange(3000)
    largest = max(Counter(groups).values())
    before: set[int] = set()
    for fraction in (0.1, 0.25, 0.5, 0.8):
        taken = subset(manifest, rows, fraction, 3)
        inside = {groups[i] for i in taken.tolist()}
        assert sorted(taken.tolist()) == [i for i in range(3000) if groups[i] in inside]
        assert abs(len(taken) - fraction * 3000) <= largest / 2
        share = manifest.counts(taken)[1] / len(taken)
        assert share == pytest.approx(manifest.counts(rows)[1] / 3000, abs=0.02)
        assert before < set(taken.tolist())
        before = set(taken.tolist())


def test_synthetic_images_without_a_group_are_no_group(make: Any) -> None:
    manifest = make([0] * 100, [""] * 60 + [f"g{i // 4}" for i in range(40)])
    taken = subset(manifest, np.arange(100), 0.5, 0)
    assert abs(len(taken) - 50) <= 2
    assert 0 < sum(i < 60 for i in taken.tolist()) < 60


def test_a_class_that_would_be_lost_is_named(make: Any) -> None:
    with pytest.raises(DataError) as caught:
        subset(make([0] * 95 + [1] * 5), np.arange(100), 0.1, 0)
    # A tenth of five is less than one: 9 or 10 images of the others.
    assert str(caught.value) == (
        "data.subset=0.1: 10 of 100 training images hold none of class 'class1', of which there are 5,"
        " expected at least one a class; take a larger subset"
    )

"""What both splits cut with: sizes, and the assignment of groups."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvrun.errors import RuleError
from cvrun.split._carve import assign, check_size


@pytest.mark.parametrize("value", [0.1, 0.999, 1, 250.0])
def test_a_size_is_a_fraction_or_a_whole_number(value):
    check_size("val", value, zero=False)


@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan"), float("inf"), 0])
def test_other_sizes_are_refused(value):
    with pytest.raises(RuleError, match="a fraction, 0 < val < 1, or a whole number of images"):
        check_size("val", value, zero=False)


def test_zero_is_a_size_only_where_it_is_allowed():
    check_size("test", 0, zero=True)


def test_groups_that_can_be_shared_out_exactly_are():
    # Ten groups of one image each of two classes, shares .6/.2/.2: six, two and two groups.
    part = assign(np.ones((10, 2)), np.array([0.6, 0.2, 0.2]), key=1)
    assert np.bincount(part).tolist() == [6, 2, 2]


def test_a_rare_class_reaches_every_part():
    # Three groups hold the rare class; shares .5/.25/.25 of three groups leave one for each part.
    counts = np.array([[10.0, 0.0]] * 9 + [[0.0, 4.0]] * 3)
    part = assign(counts, np.array([0.5, 0.25, 0.25]), key=3)
    assert sorted(part[9:].tolist()) == [0, 1, 2]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=3, max_size=40), st.integers(0, 2**64 - 1))
def test_every_group_gets_a_part_and_no_part_is_empty(rows, key):
    counts = np.array(rows, dtype=np.float64) + np.eye(2)[np.arange(len(rows)) % 2]
    part = assign(counts, np.array([0.8, 0.1, 0.1]), key)
    assert part.shape == (len(rows),)
    assert set(part.tolist()) == {0, 1, 2}

import pytest

from cvrun.report.split_table import distances, split_table


def test_a3_equal_shares_have_no_distance():
    assert distances({"train": [720, 80], "val": [90, 10], "test": [90, 10]}) == {"train": 0, "val": 0, "test": 0}


def test_the_distance_is_half_the_sum_of_the_differences():
    # The whole is 12 of 20 and 8 of 20: shares .6 and .4.
    found = distances({"train": [10, 5], "val": [2, 3], "test": [0, 0]})
    assert found == {"train": pytest.approx(2 / 3 - 0.6), "val": pytest.approx(0.2), "test": None}
    # Nothing in common is the largest distance.
    far = distances({"train": [50, 0, 0], "val": [0, 25, 25]})
    assert far == {"train": pytest.approx(0.5), "val": pytest.approx(0.5)}


def test_the_table_has_classes_groups_and_distances():
    counts = {"train": [1200, 5], "val": [300, 5], "test": [0, 0]}
    rows = [
        line.split() for line in split_table(["cat", "dog"], counts, {"train": 3, "val": 2, "test": 0}, {}).splitlines()
    ]
    assert rows[0] == ["class", "train", "val", "test"]
    # Dogs are 10 of 1,510: .0066; in train 5 of 1,205: .0041; in val 5 of 305: .0164.
    assert rows[2:] == [
        ["cat", "1,200", "300", "0"],
        ["dog", "5", "5", "0"],
        ["all", "1,205", "305", "0"],
        ["groups", "3", "2", "0"],
        ["distance", "0.0025", "0.0098", "-"],
    ]


def test_a1_what_training_shows_is_a_column():
    counts = {"train": [90, 10], "val": [9, 1], "test": [0, 0]}
    groups = {"train": 3, "val": 2, "test": 0}
    text = split_table(["cat", "dog"], counts, groups, {}, shown=(0.5, 0.5))
    assert [line.replace(" %", "%").split() for line in text.splitlines() if "─" not in line] == [
        ["class", "train", "shown", "val", "test"],
        ["cat", "90", "50.0%", "9", "0"],
        ["dog", "10", "50.0%", "1", "0"],
        ["all", "100", "100.0%", "10", "0"],
        ["groups", "3", "-", "2", "0"],
        # The whole is .9 and .1.
        ["distance", "0.0000", "0.4000", "0.0000", "-"],
    ]


def test_strata_have_a_table_of_their_own():
    strata = {"train": {"cat, north": 3, "cat, south": 1}, "val": {"cat, north": 1, "cat, south": 1}}
    first, second = split_table(["cat"], {"train": [4], "val": [2]}, {}, strata).split("\n\n")
    assert "groups" not in first
    # The whole is 4 and 2 of 6; train .75 and .25, val .5 and .5.
    assert [line.split()[-2:] for line in second.splitlines()[2:]] == [
        ["3", "1"],
        ["1", "1"],
        ["4", "2"],
        ["0.0833", "0.1667"],
    ]

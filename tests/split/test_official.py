from dataclasses import replace
from typing import Any

import pytest

from cvrun.errors import ConfigError, DataError
from cvrun.split.official import Config, build

CONFIG = Config(val=0.1, seed=0)


def test_three_parts_are_taken_as_they_are(make: Any) -> None:
    split = build(CONFIG, make([0, 1] * 6, official=["test", "train", "train", "val"] * 3))
    assert split.train.tolist() == [1, 2, 5, 6, 9, 10]
    assert split.val.tolist() == [3, 7, 11]
    assert split.test.tolist() == [0, 4, 8]


def test_val_is_carved_out_of_train_and_never_out_of_test(make: Any) -> None:
    manifest = make([0] * 900 + [1] * 100 + [0] * 50, official=["train"] * 1000 + ["test"] * 50)
    split = build(CONFIG, manifest)
    assert split.test.tolist() == list(range(1000, 1050))
    assert manifest.counts(split.val).tolist() == [90, 10]
    assert manifest.counts(split.train).tolist() == [810, 90]


def test_seeds(make: Any) -> None:
    manifest = make([0, 1] * 50, official=["train"] * 80 + ["test"] * 20)
    one, again, two = (build(replace(CONFIG, seed=seed), manifest) for seed in (1, 1, 2))
    assert one.val.tolist() == again.val.tolist()
    assert one.val.tolist() != two.val.tolist()


def test_a_val_part_that_exists_is_not_touched_by_the_seed(make: Any) -> None:
    manifest = make([0, 1] * 10, official=["train"] * 10 + ["val"] * 10)
    assert build(Config(0.0, 5), manifest).val.tolist() == list(range(10, 20))


def test_groups_stay_whole_when_val_is_carved(make: Any) -> None:
    groups = [f"g{i // 4}" for i in range(100)]
    split = build(Config(0.25, 0), make([0, 1] * 50, groups, ["train"] * 80 + ["test"] * 20))
    assert len(split.val) == 20
    assert not {groups[i] for i in split.val.tolist()} & {groups[i] for i in split.train.tolist()}


def test_no_val_part_and_none_wanted(make: Any) -> None:
    with pytest.raises(ConfigError, match=r"split\.val=0: the source has no val part, expected val > 0"):
        build(Config(0.0, 0), make([0, 1] * 10, official=["train"] * 10 + ["test"] * 10))


def test_a_source_without_parts(make: Any) -> None:
    with pytest.raises(ConfigError, match="set split=holdout"):
        build(CONFIG, make([0, 1]))


def test_a_source_without_train(make: Any) -> None:
    with pytest.raises(DataError, match="no train part"):
        build(CONFIG, make([0, 1], official=["val", "test"]))


def test_a_class_that_training_never_shows(make: Any) -> None:
    with pytest.raises(DataError, match="no training image of class 'class1'"):
        build(CONFIG, make([0, 0, 1], official=["train", "val", "test"]))

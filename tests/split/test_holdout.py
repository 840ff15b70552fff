from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold, StratifiedShuffleSplit

from cvrun import config, rng
from cvrun.data import csv
from cvrun.errors import ConfigError, DataError
from cvrun.split._carve import assign
from cvrun.split.holdout import Config, build

CONFIG = Config(val=0.1, test=0.1, seed=0, stratify=True, grouped=False)
GROUPED = replace(CONFIG, grouped=True)


def test_imbalanced_classes_are_cut_exactly(make: Any) -> None:
    manifest = make([0] * 900 + [1] * 100)
    split = build(CONFIG, manifest)
    # shared/checklist.md, A3
    assert manifest.counts(split.train).tolist() == [720, 80]
    assert manifest.counts(split.val).tolist() == [90, 10]
    assert manifest.counts(split.test).tolist() == [90, 10]


def test_cifar_sized_sets_are_cut_exactly(make: Any) -> None:
    manifest = make(list(range(10)) * 5000)
    split = build(replace(CONFIG, val=5000, test=0.1), manifest)
    assert manifest.counts(split.train).tolist() == [4000] * 10
    assert manifest.counts(split.val).tolist() == [500] * 10
    assert manifest.counts(split.test).tolist() == [500] * 10


def test_the_test_part_is_scikit_learns(make: Any) -> None:
    labels = [0] * 61 + [1] * 27 + [2] * 12
    split = build(replace(CONFIG, test=20, seed=3), make(labels))
    splitter = StratifiedShuffleSplit(n_splits=1, test_size=20, random_state=rng.key(3, "split") % 2**32)
    _, test = next(splitter.split(np.zeros(100), labels))
    assert split.test.tolist() == sorted(test.tolist())


def test_seeds(make: Any) -> None:
    manifest = make([0, 1] * 50)
    one, again, two = (build(replace(CONFIG, seed=seed), manifest) for seed in (1, 1, 2))
    assert one.val.tolist() == again.val.tolist()
    assert one.test.tolist() == again.test.tolist()
    assert one.val.tolist() != two.val.tolist()


@pytest.mark.parametrize("stratify", [True, False])
def test_the_test_part_does_not_depend_on_the_size_of_val(make: Any, stratify: bool) -> None:
    manifest = make([0, 1] * 50)
    config = replace(CONFIG, stratify=stratify)
    assert build(config, manifest).test.tolist() == build(replace(config, val=0.3), manifest).test.tolist()


def test_without_stratification_only_the_sizes_count(make: Any) -> None:
    manifest = make([0] * 97 + [1, 1, 1])
    split = build(replace(CONFIG, val=20, test=7, stratify=False, seed=1), manifest)
    assert [len(part) for part in split.parts().values()] == [73, 20, 7]
    together = np.concatenate(list(split.parts().values()))
    assert sorted(together.tolist()) == list(range(100))


def test_no_test_part(make: Any) -> None:
    split = build(replace(CONFIG, test=0.0), make([0, 1] * 50))
    assert [len(part) for part in split.parts().values()] == [90, 10, 0]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([0] * 50 + [1] * 2, "class 'class1' has 2 images (1 such classes)"),
        ([0] * 50 + [1] * 2 + [2], "class 'class2' has 1 images (2 such classes)"),
        (list(range(20)) * 4, "the test part of 8 images cannot hold all 20 classes"),
    ],
)
def test_too_few_images_of_a_class(make: Any, labels: list[int], expected: str) -> None:
    with pytest.raises(DataError) as caught:
        build(CONFIG, make(labels))
    assert expected in str(caught.value)
    assert "split.stratify=false" in str(caught.value)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_small_sets_are_cut_or_refused_in_words(make: Any, data: st.DataObject) -> None:
    labels = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=30))
    size = st.one_of(st.floats(0.01, 0.6), st.integers(1, 10).map(float))
    val, test, stratify = data.draw(size), data.draw(size), data.draw(st.booleans())
    if max(val, test) < 1 and val + test >= 1:
        return
    try:
        split = build(Config(val, test, 0, stratify, False), make(labels))
    except (ConfigError, DataError) as error:
        assert str(error).startswith("split")
        return
    together = np.concatenate(list(split.parts().values()))
    assert sorted(together.tolist()) == list(range(len(labels)))
    assert len(split.val) == (val if val >= 1 else np.floor(val * len(labels) + 0.5))


@settings(max_examples=100, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=3, max_size=40),
    seed=st.integers(0, 2**40),
    stratify=st.booleans(),
    shares=st.sampled_from([(0.1, 0.1), (0.3, 0.3), (0.2, 0.0), (0.05, 0.4)]),
)
def test_groups_stay_whole(
    make: Any, sizes: list[tuple[int, int]], seed: int, stratify: bool, shares: tuple[float, float]
) -> None:
    labels, groups = [], []
    for i, (zeros, ones) in enumerate(sizes):
        # Class 0 is in every group, so training never lacks it; class 1 may be nowhere or in one group alone.
        labels += [0] * zeros + [1] * ones
        groups += [f"g{i}"] * (zeros + ones)
    manifest = make(labels, groups)
    try:
        split = build(Config(shares[0], shares[1], seed, stratify, True), manifest)
    except ConfigError as error:
        assert "gives none of" in str(error)
        return
    except DataError as error:
        assert "no training image of class 'class1'" in str(error)
        return
    together = np.concatenate(list(split.parts().values()))
    assert sorted(together.tolist()) == list(range(len(labels)))
    seen = [{groups[i] for i in part.tolist()} for part in split.parts().values()]
    assert sum(len(names) for names in seen) == len(sizes)
    assert all(names for names, share in zip(seen, (1.0, *shares), strict=True) if share)


def test_every_part_has_a_group_even_if_all_are_large() -> None:
    counts = np.full((3, 1), 100.0)
    assert sorted(assign(counts, np.array([0.8, 0.1, 0.1]), 5).tolist()) == [0, 1, 2]


def test_equal_groups_are_cut_exactly(make: Any) -> None:
    labels = [0, 0, 0, 1] * 100
    manifest = make(labels, [f"g{i // 4}" for i in range(400)])
    split = build(GROUPED, manifest)
    assert [manifest.counts(part).tolist() for part in split.parts().values()] == [[240, 80], [30, 10], [30, 10]]


def test_a_class_in_one_group_goes_to_training(make: Any) -> None:
    labels = [0] * 90 + [1] * 5
    groups = [f"g{i // 3}" for i in range(90)] + ["rare"] * 5
    for seed in range(20):
        split = build(replace(GROUPED, seed=seed), make(labels, groups))
        assert set(range(90, 95)) <= set(split.train.tolist())


def test_grouped_seeds(make: Any) -> None:
    draw = np.random.RandomState(0)
    manifest = make(draw.randint(0, 3, 600).tolist(), [f"g{g}" for g in draw.randint(0, 60, 600)])
    one, again, two = (build(replace(GROUPED, seed=seed), manifest) for seed in (1, 1, 2))
    assert one.val.tolist() == again.val.tolist()
    assert len(set(one.val.tolist()) & set(two.val.tolist())) < len(one.val) / 2


def test_fewer_groups_than_parts(make: Any) -> None:
    with pytest.raises(DataError, match="2 groups, expected at least one for each of train, test, val"):
        build(GROUPED, make([0, 1] * 10, ["x", "y"] * 10))


def test_groups_are_never_torn_apart_by_accident(make: Any) -> None:
    with pytest.raises(ConfigError, match=r"split\.grouped=false: the source has groups.*set split\.grouped=true"):
        build(CONFIG, make([0, 1], ["x", "y"]))
    with pytest.raises(
        ConfigError,
        match=r"has no groups.*data\.group_by, data\.group_pattern or data\.group_column",
    ):
        build(GROUPED, make([0, 1]))


def test_an_official_test_part_is_never_trained_on(make: Any) -> None:
    with pytest.raises(ConfigError, match="set split=official"):
        build(CONFIG, make([0, 1] * 20, official=["train", "test"] * 20))


def test_official_train_and_val_are_cut_anew(make: Any) -> None:
    manifest = make([0, 1] * 50, official=["train"] * 50 + ["val"] * 50)
    split = build(CONFIG, manifest)
    assert [len(part) for part in split.parts().values()] == [80, 10, 10]
    assert split.val.min() < 50 <= split.val.max()


@pytest.mark.parametrize(
    ("val", "test", "expected"),
    [
        (90, 10, "no image of 100 is left for training"),
        (0.001, 0.1, "split.val=0.001: gives none of 100 images"),
        (500, 0.1, "split.val=500: no image of 100 is left"),
    ],
)
def test_sizes_that_do_not_fit(make: Any, val: float, test: float, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(replace(CONFIG, val=val, test=test), make([0, 1] * 50))
    assert expected in str(caught.value)


@pytest.mark.parametrize(("val", "test"), [(0, 0.1), (0.5, 0.5), (1.5, 0.1), (0.1, 2.5), (0.1, -1), (float("nan"), 0)])
def test_sizes_out_of_range(val: float, test: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        replace(CONFIG, val=val, test=test)


def test_fifty_thousand_images_in_five_thousand_groups(make: Any) -> None:
    draw = np.random.RandomState(0)
    labels = draw.randint(0, 10, 50_000)
    manifest = make(labels.tolist(), [f"g{g}" for g in draw.randint(0, 5000, 50_000)])
    split = build(GROUPED, manifest)
    shares = manifest.counts(split.val) / np.bincount(labels)
    np.testing.assert_allclose(shares, 0.1, atol=0.002)


def test_blood_cells_by_slide(blood_cells: Path) -> None:
    words = ["data=csv", f"data.root={blood_cells}", "data.group_column=slide", "data.size=8"]
    manifest = csv.build(config.compose(words).parts["data"].config)
    assert manifest.groups is not None
    whole = manifest.counts(np.arange(len(manifest)))
    split = build(GROUPED, manifest)
    names = {name: {manifest.groups[i] for i in part.tolist()} for name, part in split.parts().items()}
    assert sum(len(found) for found in names.values()) == 292
    for part in (split.val, split.test):
        ours = float(np.abs(manifest.counts(part) / whole - 0.1).max())
        folds = StratifiedGroupKFold(10, shuffle=True, random_state=0)
        peers = [test for _, test in folds.split(manifest.labels, manifest.labels, manifest.groups)]
        # As even as the typical fold of scikit-learn, which cuts by whole groups as well.
        assert ours <= np.median([np.abs(manifest.counts(fold) / whole - 0.1).max() for fold in peers])


def test_no_stratification_with_groups_balances_the_sizes(make: Any) -> None:
    draw = np.random.RandomState(1)
    groups = [f"g{g}" for g in draw.zipf(1.8, 2000) % 200]
    split = build(replace(GROUPED, stratify=False), make([0] * 2000, groups))
    biggest = max(Counter(groups).values())
    assert biggest > 200
    assert [len(part) for part in split.parts().values()] == pytest.approx([1600, 200, 200], abs=5)

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from cvrun import options
from cvrun.errors import ConfigError, DataError
from cvrun.split import Split
from cvrun.split.kfold import Config, build

CONFIG = Config(folds=5, fold=0, test=0.0, seed=0, stratify=True, grouped=False)
GROUPED = replace(CONFIG, grouped=True)


def folds_of(config: Config, manifest: Any) -> list[Split]:
    return [build(replace(config, fold=fold), manifest) for fold in range(config.folds)]


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(7, 40), min_size=1, max_size=5),
    folds=st.integers(2, 7),
    seed=st.integers(0, 2**40),
    stratify=st.booleans(),
)
def test_every_image_is_validated_once_and_classes_differ_by_one(
    make: Any, counts: list[int], folds: int, seed: int, stratify: bool
) -> None:
    manifest = make(np.random.default_rng(seed % 2**32).permutation(np.repeat(np.arange(len(counts)), counts)).tolist())
    try:
        found = folds_of(Config(folds, 0, 0.0, seed, stratify, False), manifest)
    except DataError as error:
        assert not stratify and "no training image" in str(error)
        return
    assert sorted(np.concatenate([split.val for split in found]).tolist()) == list(range(len(manifest)))
    for split in found:
        assert sorted([*split.train.tolist(), *split.val.tolist()]) == list(range(len(manifest)))
    sizes = np.array([manifest.counts(split.val) for split in found])
    assert np.ptp(sizes.sum(axis=1)) <= 1
    if stratify:
        assert (np.ptp(sizes, axis=0) <= 1).all()


def test_strata_are_dealt_out_as_the_classes_are(make: Any) -> None:
    draw = np.random.RandomState(0)
    manifest = make(draw.randint(0, 3, 400).tolist())
    manifest = replace(manifest, strata=manifest.labels * 4 + draw.randint(0, 4, 400))
    found = folds_of(CONFIG, manifest)
    for kind in range(12):
        assert np.ptp([np.count_nonzero(manifest.strata[split.val] == kind) for split in found]) <= 1
    assert all(np.ptp(column) <= 1 for column in np.array([manifest.counts(split.val) for split in found]).T)


def test_the_test_part_is_held_out_of_every_fold(make: Any) -> None:
    manifest = make([0] * 900 + [1] * 100)
    found = folds_of(replace(CONFIG, test=0.1), manifest)
    assert all(split.test.tolist() == found[0].test.tolist() for split in found)
    assert manifest.counts(found[0].test).tolist() == [90, 10]
    together = np.concatenate([found[0].test, *(split.val for split in found)])
    assert sorted(together.tolist()) == list(range(1000))
    assert all(manifest.counts(split.val).tolist() == [162, 18] for split in found)


def test_an_official_test_part_is_kept(make: Any) -> None:
    manifest = make([0, 1] * 60, official=["train"] * 50 + ["val"] * 50 + ["test"] * 20)
    found = folds_of(CONFIG, manifest)
    assert all(split.test.tolist() == list(range(100, 120)) for split in found)
    assert sorted(np.concatenate([split.val for split in found]).tolist()) == list(range(100))
    with pytest.raises(ConfigError, match=r"split\.test=0\.2: the source has an official test part, expected 0"):
        build(replace(CONFIG, test=0.2), manifest)


def test_synthetic_images_are_in_no_fold(make: Any) -> None:
    manifest = replace(make([0, 1] * 50), synthetic=np.arange(100) < 20)
    found = folds_of(CONFIG, manifest)
    assert sorted(np.concatenate([split.val for split in found]).tolist()) == list(range(20, 100))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=5, max_size=40), st.integers(0, 2**40))
def test_groups_stay_whole(make: Any, sizes: list[tuple[int, int]], seed: int) -> None:
    labels, groups = [], []
    for i, (zeros, ones) in enumerate(sizes):
        labels += [0] * zeros + [1] * ones
        groups += [f"g{i}"] * (zeros + ones)
    manifest = make(labels, groups)
    try:
        found = folds_of(replace(GROUPED, seed=seed), manifest)
    except DataError as error:
        assert "no training image of class 'class1'" in str(error)
        return
    assert sorted(np.concatenate([split.val for split in found]).tolist()) == list(range(len(labels)))
    for split in found:
        assert not {groups[i] for i in split.val.tolist()} & {groups[i] for i in split.train.tolist()}


def balance(manifest: Any, vals: list[Any]) -> float:
    """The largest difference of a class's images in a fold to their fifth, over that fifth."""
    whole = manifest.counts(np.arange(len(manifest)))
    return float(max(np.abs(manifest.counts(val) * 5 / whole - 1).max() for val in vals))


def beyond_one_group(manifest: Any, vals: list[Any]) -> float:
    """How much further than the images of one group, the largest of its class, a class in a fold is from its fifth."""
    members = np.unique(np.array(manifest.groups), return_inverse=True)[1]
    table = np.zeros((members.max() + 1, len(manifest.classes)), np.int64)
    np.add.at(table, (members, manifest.labels), 1)
    whole = table.sum(axis=0)
    return float(max((np.abs(manifest.counts(val) - whole / 5) - table.max(axis=0)).max() for val in vals))


def peers(manifest: Any, seed: int) -> list[Any]:
    splitter = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
    return [val for _, val in splitter.split(manifest.labels, manifest.labels, manifest.groups)]


@pytest.mark.parametrize("seed", range(5))
def test_m2_folds_are_stratified_and_grouped(make: Any, seed: int) -> None:
    draw = np.random.RandomState(seed)
    patients = draw.randint(0, 80, 1500)
    # Each patient has a leaning of its own.
    labels = (draw.rand(1500) < draw.beta(0.5, 2.0, 80)[patients]).astype(int)
    manifest = make(labels.tolist(), [f"p{p}" for p in patients])
    vals = [split.val for split in folds_of(replace(GROUPED, seed=seed), manifest)]
    assert beyond_one_group(manifest, vals) <= 0
    # scikit-learn places the same groups; ours must be no worse than the typical of its draws.
    assert balance(manifest, vals) <= np.median([balance(manifest, peers(manifest, s)) for s in range(9)])


@pytest.mark.parametrize("seed", range(3))
def test_m1_no_slide_of_the_blood_cells_is_on_two_sides(blood_cells: Path, seed: int) -> None:
    from cvrun import config

    words = ["data=csv", f"data.root={blood_cells}", "data.group_column=slide", "data.size=8"]
    chosen = config.compose(words).parts["data"]
    manifest = options.build("data", chosen.option, chosen.config)
    found = folds_of(replace(GROUPED, seed=seed, test=0.2), manifest)
    for split in found:
        sides = [{manifest.groups[i] for i in part.tolist()} for part in split.parts().values()]
        assert sum(map(len, sides)) == len(set.union(*sides)) == 292
    rest = np.setdiff1d(np.arange(len(manifest)), found[0].test)
    assert sorted(np.concatenate([split.val for split in found]).tolist()) == rest.tolist()
    vals = [split.val for split in folds_of(replace(GROUPED, seed=seed), manifest)]
    assert beyond_one_group(manifest, vals) <= 0
    assert balance(manifest, vals) <= np.median([balance(manifest, peers(manifest, s)) for s in range(5)])


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([0] * 50 + [1] * 4, "class 'class1' has 4 images (1 such classes), expected at least one for each of 5 folds"),
        ([0] * 50 + [1] * 3 + [2], "class 'class2' has 1 images (2 such classes)"),
    ],
)
def test_too_few_images_of_a_class(make: Any, labels: list[int], expected: str) -> None:
    with pytest.raises(DataError) as caught:
        build(CONFIG, make(labels))
    assert expected in str(caught.value)


def test_too_few_images_or_groups_for_the_folds(make: Any) -> None:
    with pytest.raises(DataError, match="4 images, expected at least one for each of 5 folds"):
        build(replace(CONFIG, stratify=False), make([0] * 4))
    with pytest.raises(DataError, match="4 groups, expected at least one for each of 5 folds"):
        build(GROUPED, make([0] * 40, [f"g{i % 4}" for i in range(40)]))


def test_groups_are_not_torn_apart_in_silence(make: Any) -> None:
    with pytest.raises(ConfigError, match=r"split\.grouped=false: the source has groups"):
        build(CONFIG, make([0, 1] * 10, ["a", "b"] * 10))
    with pytest.raises(ConfigError, match=r"split\.grouped=true: the source has no groups"):
        build(GROUPED, make([0, 1] * 10))


@pytest.mark.parametrize(("key", "value"), [("folds", 1), ("folds", 1001), ("fold", -1), ("fold", 5), ("test", 1.5)])
def test_values_out_of_range(key: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"^{key}="):
        replace(CONFIG, **{key: value})

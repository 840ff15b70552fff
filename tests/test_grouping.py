from dataclasses import replace

import numpy as np
import pytest

from cvrun import config
from cvrun.data import ImageForm, Manifest
from cvrun.errors import ConfigError, DataError
from cvrun.grouping import alike, grouped

DATA = config.compose([]).data
IDS = ("0001TP_006690.png", "0016E5_07959.png", "0016E5_07961.png", "Seq05VD_f00000.png")
MANIFEST = Manifest(
    ids=IDS,
    labels=np.array([0, 1, 0, 1]),
    classes=("a", "b"),
    form=ImageForm(1, 1, "stretch"),
    images=np.zeros((4, 1, 1, 1), np.uint8),
    columns={"site": ("x", "y", "x", "y"), "slide": ("s1", "", " s2 ", "")},
)


def with_keys(**keys) -> Manifest:
    return grouped(MANIFEST, replace(DATA, **keys))


def test_without_keys_nothing_changes():
    assert grouped(MANIFEST, DATA) is MANIFEST


def test_groups_come_out_of_a_column():
    assert with_keys(group_by="site").groups == ("x", "y", "x", "y")


def test_they_replace_those_of_the_source():
    own = replace(MANIFEST, groups=("p", "p", "q", "q"))
    assert grouped(own, replace(DATA, group_by="site")).groups == ("x", "y", "x", "y")


def test_the_key_of_camvid():
    assert with_keys(group_pattern="^([^_]+)_").groups == ("0001TP", "0016E5", "0016E5", "Seq05VD")


def test_strata_are_class_and_column():
    strata = with_keys(stratify_by="site").strata
    # a x, b y, a x, b y: two strata, whatever their numbers.
    assert strata.dtype == np.int64
    assert strata[0] == strata[2] != strata[1] == strata[3]
    other = grouped(replace(MANIFEST, labels=np.array([0, 1, 1, 1])), replace(DATA, stratify_by="site")).strata
    assert len(set(other.tolist())) == 3


@pytest.mark.parametrize("key", ["group_by", "stratify_by"])
def test_a_column_that_is_not_there(key):
    with pytest.raises(ConfigError) as caught:
        with_keys(**{key: "slid"})
    assert str(caught.value) == f"data.{key}=slid: no such column, expected one of site, slide; did you mean 'slide'?"


def test_a_source_without_columns():
    with pytest.raises(ConfigError, match="the source has no columns; data.group_pattern takes groups out of names"):
        grouped(replace(MANIFEST, columns={}), replace(DATA, group_by="site"))


def test_empty_cells_are_counted_and_named():
    with pytest.raises(DataError) as caught:
        with_keys(group_by="slide")
    assert str(caught.value) == (
        "data.group_by=slide: 2 of 4 images have no value in that column (images 2, 4: '0016E5_07959.png',"
        " 'Seq05VD_f00000.png'), expected one for each; fill it in, or data.exclude"
    )


def test_ids_that_do_not_match_are_counted_and_named():
    with pytest.raises(DataError) as caught:
        with_keys(group_pattern="^(00[^_]+)_")
    assert str(caught.value) == (
        "data.group_pattern=^(00[^_]+)_: 1 of 4 ids do not match ('Seq05VD_f00000.png'), expected a group in each"
    )


def test_a_bracket_that_matches_nothing_gives_no_group():
    with pytest.raises(DataError, match="4 of 4 ids do not match"):
        with_keys(group_pattern="^(z)?")


def test_a_synthetic_image_needs_no_group():
    manifest = replace(MANIFEST, synthetic=np.array([False, True, False, True]))
    assert grouped(manifest, replace(DATA, group_by="slide")).groups == ("s1", "", "s2", "")
    assert grouped(manifest, replace(DATA, group_pattern="^(00..)")).groups == ("0001", "0016", "0016", "")


def test_a_pattern_that_takes_the_folder_of_a_part_into_the_group_is_refused():
    ids = tuple(f"{part}/{name}" for part, name in zip(("train", "train", "val", "test"), IDS, strict=True))
    manifest = replace(MANIFEST, ids=ids, official=("train", "train", "val", "test"))
    with pytest.raises(ConfigError, match="the group of train/0001TP_006690.png begins with the folder of its part"):
        grouped(manifest, replace(DATA, group_pattern="^([^_]+)_"))
    found = grouped(manifest, replace(DATA, group_pattern="(?:^|/)([^_/]+)_"))
    assert found.groups == ("0001TP", "0016E5", "0016E5", "Seq05VD")


@pytest.mark.parametrize("pattern", ["(", "abc", "(a)(b)", "(?:a)", "*", ""])
def test_a_pattern_has_one_bracket(pattern):
    with pytest.raises(ConfigError, match=r"^data\.group_pattern=.*: expected a regular expression with exactly one"):
        config.compose([f"data.group_pattern='{pattern}'"])


def test_m1_a_group_is_one_however_its_letters_are_put_together():
    names = ("Jos\u00e9", "Jose\u0301", "Jos\u00e9\u200b", "Ana ")
    for kept in (replace(MANIFEST, columns={"patient": names}), replace(MANIFEST, groups=names)):
        found = grouped(kept, replace(DATA, group_by="patient" if kept.columns.get("patient") else None))
        assert found.groups == ("Jos\u00e9", "Jos\u00e9", "Jos\u00e9", "Ana")


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (["p1", "P1", "p2"], ("P1", "p1")),
        (["007", "7"], ("007", "7")),
        (["case-03", "case-3"], ("case-03", "case-3")),
        (["p1", "p2", "p10", "100"], None),
    ],
)
def test_groups_that_look_like_one_are_named(groups, expected):
    assert alike(groups) == expected

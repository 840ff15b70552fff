import numpy as np
import pytest

from cvrun.data._sets import NONE, LabelSets, label_sets, split_labels
from cvrun.errors import DataError


@pytest.mark.parametrize(
    ("value", "labels"), [("", ()), ("  ", ()), ("a", ("a",)), ("a;b", ("a", "b")), (" b ; a ", ("b", "a"))]
)
def test_a_cell_holds_any_number_of_labels(value, labels):
    assert split_labels(value, ";", None) == (labels, "", "")


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("a;", "a label before and behind each ';'"),
        (";", "a label before and behind each ';'"),
        ("a;b;a", "each label once"),
        ("a;NaN", "labels (nan is what an empty cell becomes)"),
        ("a;c", "labels of data.classes (a, bird)"),
    ],
)
def test_a_defect_in_a_cell_is_named(value, rule):
    assert split_labels(value, ";", ("a", "bird"))[1] == rule


def test_a_label_that_is_nearly_one_of_the_classes_is_corrected():
    assert "bird" in split_labels("bidr", ";", ("a", "bird"))[2]


def test_each_set_that_occurs_has_a_number_and_a_name_and_smaller_ones_come_first():
    images = [("b", "a"), (), ("c",), ("a", "b"), ("a",)]
    labels, names, sets = label_sets(images, ("a", "b", "c", "d"), ";")
    assert names == (NONE, "a", "c", "a;b")
    assert labels.dtype == np.int64 and labels.tolist() == [3, 0, 2, 3, 1]
    assert sets.names == ("a", "b", "c", "d")
    assert sets.members.dtype == np.uint8
    assert sets.members.tolist() == [[0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [1, 1, 0, 0]]


def test_the_rarest_label_of_an_image_is_the_one_that_the_fewest_images_have():
    labels, _, sets = label_sets([("a",), ("a",), ("a", "b"), ("b", "c"), ()], ("a", "b", "c"), ";")
    assert sets.rarest(labels).tolist() == [0, 0, 1, 2, 3]


def test_sets_among_the_labels_of_a_model_keep_their_members():
    sets = LabelSets(("a", "c"), np.array([[0, 0], [1, 1]], dtype=np.uint8))
    found = sets.among(("c", "b", "a"), "there")
    assert found.names == ("c", "b", "a") and found.members.tolist() == [[0, 0, 0], [1, 0, 1]]
    with pytest.raises(DataError, match="there: class 'c' is unknown to the model .*, expected a, b"):
        sets.among(("a", "b"), "there")


def test_a_label_that_is_listed_and_does_not_occur_may_be_unknown_to_the_model():
    sets = LabelSets(("a", "z"), np.array([[1, 0]], dtype=np.uint8))
    assert sets.among(("a",), "there").members.tolist() == [[1]]

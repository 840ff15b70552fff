from dataclasses import replace

import numpy as np

from cvrun.data import ImageForm, Manifest
from cvrun.data._labels import LEAST, kind_counts, kinds_of, targets_of, with_label
from cvrun.data._sets import NONE, label_sets


def manifest(images):
    labels, classes, sets = label_sets(images, ("a", "b"), ";")
    ids = tuple(map(str, range(len(images))))
    pixels = np.zeros((len(images), 1, 1, 1), dtype=np.uint8)
    return Manifest(ids, labels, classes, ImageForm(1, 1, "crop"), images=pixels, sets=sets)


def one_class():
    ids = tuple("0123")
    pixels = np.zeros((4, 1, 1, 1), dtype=np.uint8)
    return Manifest(ids, np.array([1, 0, 1, 1]), ("a", "b"), ImageForm(1, 1, "crop"), images=pixels)


ROWS = np.array([0, 2, 3])


def test_targets_are_classes_or_which_labels_an_image_has():
    assert targets_of(one_class(), ROWS).tolist() == [1, 1, 1]
    found = targets_of(manifest([("a", "b"), ("a",), (), ("b",)]), ROWS)
    assert found.dtype == np.uint8 and found.tolist() == [[1, 1], [0, 0], [0, 1]]


def test_images_are_counted_for_each_label_that_they_have():
    assert with_label(one_class(), ROWS).tolist() == [0, 3]
    assert with_label(manifest([("a", "b"), ("a",), (), ("b",)]), ROWS).tolist() == [1, 2]


def test_kinds_are_the_classes_where_an_image_has_one():
    whole = one_class()
    kinds, names = kinds_of(whole)
    assert kinds is whole.labels and names == ("a", "b")
    assert kind_counts(whole, ROWS).tolist() == [0, 3]


def test_kinds_are_the_rarest_labels_and_scarce_ones_count_as_the_largest():
    common = [("a",)] * 9 + [("a", "b")] * LEAST + [()] * LEAST
    kinds, names = kinds_of(manifest(common))
    assert names == ("a", "b", NONE)
    assert kinds.tolist() == [0] * 9 + [1] * LEAST + [2] * LEAST
    fewer = manifest(common[:-1])
    assert kinds_of(fewer)[0].tolist() == [0] * 9 + [1] * LEAST + [0] * (LEAST - 1)
    assert kind_counts(fewer, np.arange(len(fewer))).tolist() == [9 + LEAST - 1, LEAST, 0]


def test_the_fingerprint_of_the_data_knows_the_labels_behind_the_sets():
    whole = manifest([("a",), ("a", "b")])
    assert whole.sets is not None
    other = replace(whole, sets=replace(whole.sets, names=("b", "a")))
    assert whole.fingerprint(np.arange(2)) != other.fingerprint(np.arange(2))

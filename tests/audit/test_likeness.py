import numpy as np
from PIL import Image
from planted import picture, reencoded

from cvrun.audit.likeness import COPY, IDENTICAL, across, conflicts, likeness, within
from cvrun.audit.look import look_at_pixels


def compared(images, parts, labels=None):
    notes = np.stack([look_at_pixels(np.asarray(image), 3, None) for image in images])
    labels = np.zeros(len(images), np.int64) if labels is None else np.array(labels)
    return likeness(notes, labels, np.array(parts), 3)


def test_identical_images_across_and_within_parts():
    many = [picture(seed) for seed in range(10, 30)]
    like = compared([picture(0), picture(0), picture(0), picture(1), *many], [0, 0, 1, 1, *[2] * 20])
    assert [(p.row, p.other, p.likeness) for p in across(like, 0, 1)] == [(0, 2, IDENTICAL), (1, 2, IDENTICAL)]
    assert [(p.row, p.other) for p in within(like, 0)] == [(1, 0)]
    assert across(like, 0, 2) == within(like, 1) == []


def test_a_copy_is_told_for_every_image_of_its_picture():
    many = [picture(seed) for seed in range(10, 30)]
    changed = reencoded(picture(0), 80)
    like = compared([picture(0), picture(0), changed, *many], [0, 0, 1, *[0] * 20])
    pairs = across(like, 0, 1)
    assert [(p.row, p.other, p.likeness) for p in pairs] == [(0, 2, COPY), (1, 2, COPY)]
    assert pairs[0].score > 0.99
    # From the other side one image is told.
    assert [(p.row, p.likeness) for p in across(like, 1, 0)] == [(2, COPY)]


def test_identical_counts_before_copied_and_the_nearest_copy_comes_first():
    many = [picture(seed) for seed in range(10, 30)]
    images = [picture(0), picture(1), picture(2), reencoded(picture(0), 60), reencoded(picture(1), 95), picture(2)]
    like = compared([*images, *many], [0, 0, 0, 1, 1, 1, *[0] * 20])
    assert [(p.row, p.likeness) for p in across(like, 0, 1)] == [(2, IDENTICAL), (1, COPY), (0, COPY)]


def test_empty_images_are_not_compared():
    black = Image.new("RGB", (8, 8))
    like = compared([black, black, picture(0)], [0, 1, 1])
    assert across(like, 0, 1) == [] and like.same.tolist() == [-1, -1, 0]


def test_conflicts_are_pictures_with_two_labels_in_the_parts_that_count():
    like = compared([picture(0), picture(0), picture(1), picture(1)], [0, 0, 0, 2], [0, 1, 0, 1])
    labels = np.array([0, 1, 0, 1])
    assert [rows.tolist() for rows in conflicts(like, labels, [0, 1])] == [[0, 1]]
    assert sorted(rows.tolist() for rows in conflicts(like, labels, [0, 1, 2])) == [[0, 1], [2, 3]]


def test_no_images():
    like = likeness(np.zeros(0, look_at_pixels(np.asarray(picture(0)), 3, None).dtype), *[np.zeros(0, np.int64)] * 2, 3)
    assert across(like, 0, 1) == []

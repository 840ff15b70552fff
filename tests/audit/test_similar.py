import math

import numpy as np
import pytest
from PIL import Image
from planted import brighter, picture, reencoded, smaller
from scipy.fft import dctn

from cvrun.audit import similar
from cvrun.audit.look import look_at_pixels
from cvrun.audit.similar import Limits, coarse, limits_of, search


def noted(*images):
    return np.stack([look_at_pixels(np.asarray(image), 3, None) for image in images])


def found(notes, parts=None, labels=None):
    count = len(notes)
    parts = np.zeros(count, np.int64) if parts is None else np.array(parts)
    labels = np.zeros(count, np.int64) if labels is None else labels
    return search(notes, labels, parts, int(parts.max()) + 1, np.arange(count))


def test_coarse_structure_is_the_low_part_of_the_cosine_transform():
    grey = np.random.default_rng(0).integers(0, 256, (5, 16, 16)).astype(np.uint8)
    low = dctn(grey.astype(float), axes=(1, 2), norm="ortho")[:, :8, :8].reshape(5, -1)[:, 1:]
    expected = low / np.linalg.norm(low, axis=1, keepdims=True)
    np.testing.assert_allclose(coarse(grey), expected, atol=1e-5)


def test_coarse_structure_knows_no_brightness_and_no_contrast():
    grey = np.random.default_rng(0).integers(50, 90, (1, 16, 16)).astype(np.uint8)
    np.testing.assert_allclose(coarse(grey * 2 + 10), coarse(grey), atol=1e-5)
    assert not coarse(np.full((1, 16, 16), 9, np.uint8)).any()


@pytest.mark.parametrize(
    "change",
    [
        lambda image: reencoded(image, 60),
        lambda image: reencoded(image, 90),
        lambda image: smaller(image, 0.9),
        lambda image: brighter(image, 5),
    ],
    ids=["quality 60", "quality 90", "scale 0.9", "brightness +5"],
)
def test_a4_a_changed_copy_is_found_and_nothing_else(change):
    notes = noted(*[picture(seed) for seed in range(40)], change(picture(7)))
    copy, alike = found(notes)
    assert (copy.partner[[7, 40], 0] == [40, 7]).all()
    assert (np.delete(copy.partner[:, 0], [7, 40]) == -1).all() and copy.pairs.tolist() == [[1]]
    assert alike.partner[[7, 40]].tolist() == [[-1], [-1]]


def test_other_colours_are_no_copy():
    swapped = np.asarray(picture(7))[..., [2, 1, 0]]
    notes = noted(*[picture(seed) for seed in range(40)], swapped)
    # Grey is what the coarse structure sees: it is the same here.
    notes["grey"][40] = notes["grey"][7]
    copy, alike = found(notes)
    assert (copy.partner == -1).all()
    assert alike.partner[7, 0] == 40


def test_the_same_coarse_structure_with_other_detail_is_no_copy():
    notes = noted(*[picture(seed) for seed in range(40)], picture(7))
    spectrum = dctn(notes["grey"][7].astype(float), norm="ortho")
    other = dctn(notes["grey"][8].astype(float), norm="ortho")
    other[:8, :8] = spectrum[:8, :8]
    from scipy.fft import idctn

    notes["grey"][40] = np.clip(np.rint(idctn(other, norm="ortho")), 0, 255).astype(np.uint8)
    copy, _ = found(notes)
    assert (copy.partner == -1).all()


def test_pairs_of_the_same_picture_are_left_out():
    notes = noted(picture(0), picture(0), *[picture(seed) for seed in range(1, 20)])
    same = np.array([0, 0, *range(1, 20)])
    copy, _ = search(notes, np.zeros(21, np.int64), np.zeros(21, np.int64), 1, same)
    assert (copy.partner == -1).all()


def test_partners_are_the_best_of_each_part_and_pairs_are_counted_between_parts():
    original = picture(0)
    notes = noted(original, reencoded(original, 60), reencoded(original, 95), *[picture(seed) for seed in range(1, 30)])
    parts = [0, 1, 1, *[0] * 29]
    copy, _ = found(notes, parts)
    assert copy.partner[:3].tolist() == [[-1, 2], [0, 2], [0, 1]]
    assert copy.score[0, 1] > 0.99
    assert copy.pairs.tolist() == [[0, 2], [2, 1]]


def test_every_pair_is_compared_whatever_the_blocks(monkeypatch):
    random = np.random.default_rng(0)
    grey = random.integers(0, 256, (300, 16, 16)).astype(np.uint8)
    structure = coarse(grey)
    r = structure @ structure.T
    expected = {(i, j) for i, j in np.argwhere(np.triu(r, 1) > 0.2).tolist()}
    for rows, columns in ((512, 4096), (7, 11), (64, 32)):
        monkeypatch.setattr(similar, "ROWS", rows)
        monkeypatch.setattr(similar, "COLUMNS", columns)
        blocks = list(similar._candidates(structure, 0.2))
        pairs = [
            tuple(sorted(p)) for first, second, _ in blocks for p in zip(first.tolist(), second.tolist(), strict=True)
        ]
        assert len(pairs) == len(set(pairs)) and set(pairs) == expected
        for first, second, score in blocks:
            np.testing.assert_allclose(score, r[first, second], atol=1e-5)


def test_thousands_of_dark_images_do_not_explode():
    # One picture a thousand times over, each with noise that no look at it would see, is half a million pairs.
    random = np.random.default_rng(0)
    notes = noted(picture(0))[np.zeros(1000, np.int64)]
    notes["grey"] = np.clip(notes["grey"] + random.integers(-1, 2, notes["grey"].shape), 0, 255)
    dark = noted(*[np.full((20, 20, 3), level, np.uint8) for level in (0, 1, 2)])[np.arange(3000) % 3]
    dark["grey"] += random.integers(0, 2, dark["grey"].shape).astype(np.uint8)
    both = np.concatenate([notes, dark])
    copy, alike = search(both, np.arange(4000) % 2, np.zeros(4000, np.int64), 1, np.arange(4000))
    assert (copy.partner[1000:] == -1).all() and (alike.partner[1000:] == -1).all()
    assert copy.partner.nbytes == 4000 * 8


def test_limits_follow_from_what_two_images_of_a_class_are():
    # Two classes of vectors with a correlation of 0.5 within and 0 across: the distance in the middle is 1.
    random = np.random.default_rng(0)
    centre = np.eye(2, 63)[np.arange(400) % 2]
    vectors = centre * math.sqrt(0.5) + random.normal(size=(400, 63)) * math.sqrt(0.5 / 63)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    limits = limits_of(vectors.astype(np.float32), np.arange(400) % 2)
    assert limits.copy == pytest.approx(1 - 0.1**2 / 2, abs=5e-4)
    # Fisher's z of 0.5 is 0.549; the spread of z among 63 numbers is about 1 / sqrt(63 - 3).
    usual = math.sqrt(2 * math.log(400 * 399 / 2))
    assert math.atanh(limits.alike) == pytest.approx(0.549 + usual / math.sqrt(60), abs=0.25)


def test_a_few_images_say_nothing_about_chance():
    structure = coarse(np.random.default_rng(0).integers(0, 256, (5, 16, 16)).astype(np.uint8))
    assert limits_of(structure, np.zeros(5, np.int64)) == Limits(pytest.approx(0.995), math.inf)


def test_nothing_is_found_among_no_images():
    copy, alike = search(noted(picture(0))[:0], *[np.zeros(0, np.int64)] * 2, 2, np.zeros(0, np.int64))
    assert copy.partner.shape == alike.partner.shape == (0, 2)


@pytest.mark.parametrize("change", [lambda grey: grey, lambda grey: reencoded(grey.convert("RGB"), 75)])
def test_a_grey_copy_has_no_other_colours(change):
    # Red on the left and blue on the right: in the small pictures the colours are what differs most.
    images = [np.asarray(picture(seed), dtype=float) for seed in range(40)]
    tinted = [np.clip(image + np.linspace(90, -90, 48)[:, None] * [1, 0, -1], 0, 255) for image in images]
    tinted = [Image.fromarray(image.astype(np.uint8)) for image in tinted]
    copy, _ = found(noted(*tinted, np.atleast_3d(change(tinted[7].convert("L")))))
    assert (copy.partner[[7, 40], 0] == [40, 7]).all() and copy.pairs.tolist() == [[1]]

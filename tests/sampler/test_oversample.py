import numpy as np
import pytest

from cvrun.errors import RuleError
from cvrun.sampler import Shown, oversample

# 900, 390 and 100 images.
LABELS = np.random.default_rng(1).permutation(np.repeat([0, 1, 2], [900, 390, 100]))
SHOWN = Shown(LABELS, 3)


def orders(ratio: float, epochs: int) -> list[np.ndarray]:
    order = oversample.build(oversample.Config(ratio), SHOWN, 0)
    return [order(epoch).numpy() for epoch in range(epochs)]


@pytest.mark.parametrize(
    ("ratio", "counts"),
    [(1.0, [900, 900, 900]), (0.5, [900, 450, 450]), (0.2, [900, 390, 180]), (0.1, [900, 390, 100])],
)
def test_every_class_comes_up_to_a_fraction_of_the_largest(ratio, counts):
    config = oversample.Config(ratio)
    for order in orders(ratio, 3):
        assert np.bincount(LABELS[order]).tolist() == counts
    assert oversample.images_per_epoch(config, SHOWN.counts) == sum(counts)
    assert oversample.shares(config, SHOWN) == pytest.approx(np.array(counts) / sum(counts))


def test_images_of_a_class_are_repeated_equally_often():
    for order in orders(1.0, 3):
        times = np.bincount(order, minlength=len(LABELS))
        # 900 of 390 are 2 each and 120 once more; 900 of 100 are 9 each.
        assert set(times[LABELS == 0]) == {1} and set(times[LABELS == 2]) == {9}
        assert np.bincount(times[LABELS == 1]).tolist() == [0, 0, 270, 120]


def test_others_come_once_more_in_the_next_epoch():
    # Three epochs of 120 have nobody twice; the rest of 30 is too small for a fourth.
    more = [np.flatnonzero(np.bincount(order, minlength=len(LABELS))[LABELS == 1] == 3) for order in orders(1.0, 3)]
    assert len(np.unique(np.concatenate(more))) == 360


@pytest.mark.parametrize("ratio", [0, 1.01, -1, float("nan")])
def test_a_ratio_outside_is_refused(ratio):
    with pytest.raises(RuleError, match="expected 0 < ratio <= 1"):
        oversample.Config(ratio)


def test_a_class_without_images_is_refused():
    shown = Shown(np.array([0, 0, 2]), 3)
    for use in (
        lambda: oversample.images_per_epoch(oversample.Config(1.0), shown.counts),
        lambda: oversample.shares(oversample.Config(1.0), shown),
        lambda: oversample.build(oversample.Config(1.0), shown, 0),
    ):
        with pytest.raises(RuleError, match="a training image of every class, but there is none of class 1"):
            use()

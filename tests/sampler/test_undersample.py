import numpy as np
import pytest

from cvrun.errors import RuleError
from cvrun.sampler import Shown, undersample

# Checklist A1: a set of 90 % against 10 %.
LABELS = np.random.default_rng(1).permutation(np.repeat([0, 1], [900, 100]))
UNBALANCED = Shown(LABELS, 2)


def orders(ratio: float, epochs: int, shown: Shown = UNBALANCED) -> list[np.ndarray]:
    order = undersample.build(undersample.Config(ratio), shown, 0)
    return [order(epoch).numpy() for epoch in range(epochs)]


@pytest.mark.parametrize(
    ("ratio", "counts"), [(1.0, [100, 100]), (2.5, [250, 100]), (9.0, [900, 100]), (50, [900, 100])]
)
def test_every_class_comes_down_to_a_multiple_of_the_rarest(ratio, counts):
    for order in orders(ratio, 3):
        assert np.bincount(LABELS[order]).tolist() == counts
        assert len(np.unique(order)) == len(order)
    config = undersample.Config(ratio)
    assert undersample.images_per_epoch(config, UNBALANCED.counts) == sum(counts)
    assert undersample.shares(config, UNBALANCED) == pytest.approx(np.array(counts) / sum(counts))


def test_a_multiple_is_not_one_less_for_binary():
    # 1.15 * 100 is 114.99999999999999.
    assert undersample.images_per_epoch(undersample.Config(1.15), UNBALANCED.counts) == 115 + 100


def test_nine_epochs_show_the_whole_majority_once():
    shown = np.concatenate(orders(1.0, 9))
    times = np.bincount(shown, minlength=1000)
    assert set(times[LABELS == 0]) == {1} and set(times[LABELS == 1]) == {9}


def test_in_the_long_run_each_image_comes_equally_often():
    # 250 of 900 an epoch: rounds of three epochs leave 150 out, others each time.
    times = np.bincount(np.concatenate(orders(2.5, 300)), minlength=1000)[LABELS == 0]
    assert times.mean() == pytest.approx(250 / 900 * 300)
    # 100 rounds at 750 of 900: a standard deviation of 3.7.
    assert abs(times - times.mean()).max() < 5 * (100 * 750 / 900 * 150 / 900) ** 0.5


def test_classes_are_mixed():
    first = LABELS[orders(1.0, 1)[0]][:100].mean()
    assert first == pytest.approx(0.5, abs=5 * 0.05)


@pytest.mark.parametrize("ratio", [0.99, 0, -1, float("inf"), float("nan")])
def test_a_ratio_below_one_is_refused(ratio):
    with pytest.raises(RuleError, match="expected ratio >= 1"):
        undersample.Config(ratio)


def test_a_class_without_images_is_refused():
    shown = Shown(np.array([0, 0, 2]), 3)
    for use in (
        lambda: undersample.images_per_epoch(undersample.Config(1.0), shown.counts),
        lambda: undersample.shares(undersample.Config(1.0), shown),
        lambda: undersample.build(undersample.Config(1.0), shown, 0),
    ):
        with pytest.raises(RuleError, match="a training image of every class, but there is none of class 1"):
            use()

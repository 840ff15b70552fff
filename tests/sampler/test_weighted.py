import hashlib

import numpy as np
import pytest
import torch

from cvrun.errors import RuleError
from cvrun.rng import generator
from cvrun.sampler import Shown, weighted

# Checklist A1: a set of 90 % against 10 %.
LABELS = np.repeat(np.array([0, 1], dtype=np.int64), [900, 100])
UNBALANCED = Shown(LABELS, 2)


def config(weighting: str, beta: float = 0.999) -> weighted.Config:
    return weighted.Config(weighting, beta)


def share_of_rare(weighting: str, epoch: int, seed: int = 0) -> float:
    order = weighted.build(config(weighting), UNBALANCED, seed)
    return float(LABELS[order(epoch).numpy()].mean())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a1_inverse_weights_show_classes_equally_often(seed):
    # 1000 draws at .5: three standard errors are .047 (checklist A1).
    assert share_of_rare("inverse", epoch=0, seed=seed) == pytest.approx(0.5, abs=0.047)
    assert weighted.shares(config("inverse"), UNBALANCED) == pytest.approx([0.5, 0.5])


def test_square_root_weights_lie_between():
    # sqrt(100) / (sqrt(100) + sqrt(900)) = 10 / 40
    shares = [share_of_rare("sqrt", epoch) for epoch in range(20)]
    assert np.mean(shares) == pytest.approx(0.25, abs=5 * (0.25 * 0.75 / 20_000) ** 0.5)
    assert weighted.shares(config("sqrt"), UNBALANCED) == pytest.approx([0.75, 0.25])


@pytest.mark.parametrize(
    ("beta", "rare"),
    [
        (0.0, 0.1),  # natural
        # n / (1 - b**n) of each: 900 / .593631 = 1516.09 and 100 / .095208 = 1050.34.
        (0.999, 1050.34 / (1050.34 + 1516.09)),
        (1 - 1e-9, 0.5),  # inverse
    ],
)
def test_weights_by_the_effective_number(beta, rare):
    assert weighted.shares(config("effective", beta), UNBALANCED)[1] == pytest.approx(rare, abs=1e-4)


def test_weights_of_a_column_are_drawn_by():
    weights = np.where(np.arange(1000) == 950, 111.0, 1.0)
    shown = Shown(LABELS, 2, weights)
    # 111 of 1110 is a tenth; of class 1 there are 99 others.
    assert weighted.shares(config("column"), shown) == pytest.approx([900 / 1110, 210 / 1110])
    order = weighted.build(config("column"), shown, 0)
    drawn = torch.cat([order(epoch) for epoch in range(20)])
    assert float((drawn == 950).float().mean()) == pytest.approx(0.1, abs=5 * (0.1 * 0.9 / 20_000) ** 0.5)


def test_a_column_that_is_not_there_is_refused():
    for use in (
        lambda: weighted.shares(config("column"), UNBALANCED),
        lambda: weighted.build(config("column"), UNBALANCED, 0),
    ):
        with pytest.raises(RuleError, match="weighting=column: expected data with a weight for each image"):
            use()


def test_orders_are_those_of_earlier_runs():
    shown = Shown(np.repeat(np.array([0, 1, 2], dtype=np.int64), [900, 90, 10]), 3)
    # Of cvrun at 64fcf9c.
    for weighting, digest in (("inverse", "251bdbcd47851d4a"), ("sqrt", "bdc33cd9ebc55839")):
        order = weighted.build(config(weighting), shown, 7)
        content = b"".join(order(epoch).numpy().tobytes() for epoch in (0, 1, 30))
        assert hashlib.sha256(content).hexdigest()[:16] == digest


def test_images_of_one_class_are_equally_likely():
    order = weighted.build(config("inverse"), Shown(np.zeros(5, dtype=np.int64), 1), 0)
    drawn = torch.cat([order(epoch) for epoch in range(2000)])
    share = torch.bincount(drawn, minlength=5) / len(drawn)
    assert (share - 0.2).abs().max() < 5 * (0.2 * 0.8 / 10_000) ** 0.5


def test_draws_repeat_images_and_stay_in_range():
    order = weighted.build(config("inverse"), UNBALANCED, 0)(0)
    assert len(order) == weighted.images_per_epoch(config("inverse"), UNBALANCED.counts) == 1000
    assert order.dtype == torch.int64
    assert len(order.unique()) < 1000
    assert int(order.min()) >= 0 and int(order.max()) < 1000


@pytest.mark.parametrize("weighting", ["inverse", "sqrt", "effective"])
def test_a_class_without_images_is_never_drawn_and_harms_nothing(weighting):
    shown = Shown(np.array([0, 0, 2], dtype=np.int64), 3)
    drawn = weighted.build(config(weighting), shown, 0)(0)
    assert len(drawn) == 3
    assert weighted.shares(config(weighting), shown)[1] == 0


def test_unknown_weighting_is_refused():
    with pytest.raises(RuleError, match="weighting=invers: expected one of inverse, sqrt, effective, column"):
        config("invers")


@pytest.mark.parametrize("beta", [-0.1, 1.0, float("nan")])
def test_beta_has_a_range(beta):
    with pytest.raises(RuleError, match="expected 0 <= beta < 1"):
        config("effective", beta)


def test_weights_of_any_size_are_drawn_by():
    """Their sum would overflow; three of four weights are on the second class."""
    labels = np.array([0, 1, 1, 1], dtype=np.int64)
    for size in (1e308, 1.0, 1e-307):
        shown = Shown(labels, 2, np.full(4, size))
        assert weighted.shares(config("column"), shown).tolist() == [0.25, 0.75]
        order = weighted.build(config("column"), shown, 0)
        drawn = torch.cat([order(epoch) for epoch in range(5000)])
        assert (torch.bincount(drawn, minlength=4) / len(drawn) - 0.25).abs().max() < 5 * (0.25 * 0.75 / 20_000) ** 0.5


def test_ordinary_weights_of_a_column_are_drawn_as_before():
    weights = np.random.default_rng(0).uniform(0.1, 37, 1000)
    order = weighted.build(config("column"), Shown(LABELS, 2, weights), 3)
    draws = torch.rand(1000, dtype=torch.float64, generator=generator(3, "shuffle", 2)).numpy()
    ends = np.cumsum(weights)
    assert np.array_equal(order(2).numpy(), np.searchsorted(ends, draws * ends[-1], side="right"))
    shares = np.bincount(LABELS, weights=weights) / np.bincount(LABELS, weights=weights).sum()
    assert weighted.shares(config("column"), Shown(LABELS, 2, weights)).tolist() == shares.tolist()

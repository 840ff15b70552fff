import numpy as np
import pytest
import torch

from cvrun.errors import RuleError
from cvrun.sampler import weighted

# Checklist A1: a set of 90 % against 10 %.
UNBALANCED = np.repeat(np.array([0, 1], dtype=np.int64), [900, 100])


def share_of_rare(weighting: str, epoch: int, seed: int = 0) -> float:
    order = weighted.build(weighted.Config(weighting), UNBALANCED, 2, seed)
    return float(UNBALANCED[order(epoch).numpy()].mean())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_inverse_weights_show_classes_equally_often(seed):
    # 1000 draws at .5: three standard errors are .047 (checklist A1).
    assert share_of_rare("inverse", epoch=0, seed=seed) == pytest.approx(0.5, abs=0.047)


def test_square_root_weights_lie_between():
    # sqrt(100) / (sqrt(100) + sqrt(900)) = 10 / 40
    shares = [share_of_rare("sqrt", epoch) for epoch in range(20)]
    assert np.mean(shares) == pytest.approx(0.25, abs=5 * (0.25 * 0.75 / 20_000) ** 0.5)


def test_images_of_one_class_are_equally_likely():
    labels = np.zeros(5, dtype=np.int64)
    order = weighted.build(weighted.Config("inverse"), labels, 1, 0)
    drawn = torch.cat([order(epoch) for epoch in range(2000)])
    share = torch.bincount(drawn, minlength=5) / len(drawn)
    assert (share - 0.2).abs().max() < 5 * (0.2 * 0.8 / 10_000) ** 0.5


def test_draws_repeat_images_and_stay_in_range():
    order = weighted.build(weighted.Config("inverse"), UNBALANCED, 2, 0)(0)
    assert len(order) == 1000
    assert order.dtype == torch.int64
    assert len(order.unique()) < 1000
    assert int(order.min()) >= 0 and int(order.max()) < 1000


def test_a_class_without_images_is_never_drawn_and_harms_nothing():
    labels = np.array([0, 0, 2], dtype=np.int64)
    drawn = weighted.build(weighted.Config("inverse"), labels, 3, 0)(0)
    assert len(drawn) == 3


def test_unknown_weighting_is_refused():
    with pytest.raises(RuleError, match="weighting=invers: expected one of inverse, sqrt"):
        weighted.Config("invers")

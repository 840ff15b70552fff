import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss
from torch.nn import functional

from cvrun.errors import ConfigError
from cvrun.loss.binary_cross_entropy import Config, build, class_weights
from cvrun.options import build as build_option

COUNTS = np.array([3, 5, 2])


@pytest.fixture
def logits():
    torch.manual_seed(0)
    return torch.randn(9, 3)


@pytest.fixture
def target():
    torch.manual_seed(1)
    return torch.randint(2, (9, 3), dtype=torch.uint8)


def mean(config, logits, target):
    loss = build(config, COUNTS)
    return loss.total(logits, target) / loss.weight(target)


def test_it_is_the_mean_log_loss_of_all_labels(logits, target):
    flat = log_loss(target.numpy().ravel(), torch.sigmoid(logits.double()).numpy().ravel())
    assert mean(Config(0.0, "none"), logits, target).item() == pytest.approx(flat, rel=1e-6)


def test_weights_count_labels_that_are_there(logits, target):
    weights = (1.0, 4.0, 0.5)
    p = torch.sigmoid(logits.double())
    parts = torch.tensor(weights) * target * p.log() + (1.0 - target.double()) * (1 - p).log()
    assert mean(Config(0.0, weights), logits, target).item() == pytest.approx(-parts.mean().item(), rel=1e-6)


def test_a_smoothed_target_is_between_0_and_1(logits, target):
    smoothed = target.float() * 0.8 + 0.1
    wanted = functional.binary_cross_entropy(torch.sigmoid(logits), smoothed)
    assert mean(Config(0.2, "none"), logits, target).item() == pytest.approx(wanted.item(), rel=1e-5)


def test_mixed_targets_are_mixed_losses(logits, target):
    config = Config(0.0, (1.0, 4.0, 0.5))
    other = 1 - target
    mixed = 0.25 * target.float() + 0.75 * other.float()
    wanted = 0.25 * mean(config, logits, target) + 0.75 * mean(config, logits, other)
    assert mean(config, logits, mixed).item() == pytest.approx(wanted.item(), rel=1e-6)


def test_it_is_computed_in_float32_from_half_precision(logits, target):
    assert mean(Config(0.0, "none"), logits.half(), target).dtype == torch.float32


def test_every_image_counts_alike():
    assert class_weights(Config(0.0, "none"), np.array([1, 9])).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("smoothing", "weights", "said"),
    [
        (1.0, "none", "label_smoothing=1.0: expected 0 <= label_smoothing < 1"),
        (0.0, "balanced", "positive_weights=balanced: expected none, or a list"),
        (0.0, (1.0, 0.0, 1.0), "each > 0"),
        (0.0, (), "each > 0"),
        (0.0, (1.0, float("inf"), 1.0), "each > 0"),
    ],
)
def test_values_out_of_range_are_refused(smoothing, weights, said):
    with pytest.raises(ValueError, match=said):
        Config(smoothing, weights)


def test_a_weight_too_many_is_refused():
    with pytest.raises(ConfigError, match=r"loss.positive_weights=\[1.0, 2.0\]: expected 3 numbers, one a label"):
        build_option("loss", "binary_cross_entropy", Config(0.0, (1.0, 2.0)), COUNTS)

import math

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor
from torch.nn import functional

from cvrun.errors import ConfigError, RuleError
from cvrun.loss import Loss
from cvrun.loss.cross_entropy import Config, build, class_weights
from cvrun.typed import to_dataclass

COUNTS = np.array([40, 10, 30, 20])
WEIGHTS = (0.5, 2.0, 1.0, 3.0)


def make(smoothing: float = 0.0, weights: str | tuple[float, ...] = "none", counts: np.ndarray = COUNTS) -> Loss:
    return build(Config(smoothing, weights, 0.999), counts)


def mean(loss: Loss, logits: Tensor, target: Tensor) -> Tensor:
    return loss.total(logits, target) / loss.weight(target)


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return 3 * torch.randn(16, 4, generator=generator), torch.randint(0, 4, (16,), generator=generator)


def mixed(target: Tensor, share: float = 0.3) -> Tensor:
    hot = functional.one_hot(target, 4).float()
    return share * hot + (1 - share) * hot.flip(0)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_unweighted_equals_torch_on_hard_and_soft_targets(smoothing: float) -> None:
    logits, target = batch()
    for wanted in (target, mixed(target)):
        expected = functional.cross_entropy(logits, wanted, label_smoothing=smoothing)
        torch.testing.assert_close(mean(make(smoothing), logits, wanted), expected)


def test_weighted_hard_targets_equal_torch() -> None:
    logits, target = batch()
    expected = functional.cross_entropy(logits, target, weight=torch.tensor(WEIGHTS))
    torch.testing.assert_close(mean(make(weights=WEIGHTS), logits, target), expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_weighted_hard_targets_equal_the_same_targets_one_hot(smoothing: float) -> None:
    # torch divides by N for soft and by the sum of weights for hard targets, so its loss changes scale with mixup.
    logits, target = batch()
    loss, hot = make(smoothing, WEIGHTS), functional.one_hot(target, 4).float()
    torch.testing.assert_close(mean(loss, logits, hot), mean(loss, logits, target))
    in_torch = functional.cross_entropy(logits, hot, weight=torch.tensor(WEIGHTS))
    assert abs(in_torch - mean(make(weights=WEIGHTS), logits, target)) > 0.1


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("soft", [False, True])
def test_weighted_mean_is_the_formula(smoothing: float, soft: bool) -> None:
    logits, target = batch()
    start = mixed(target) if soft else functional.one_hot(target, 4).float()
    t = ((1 - smoothing) * start + smoothing / 4).double().numpy()
    log_p = torch.log_softmax(logits.double(), dim=1).numpy()
    expected = -(t * WEIGHTS * log_p).sum() / (t * WEIGHTS).sum()
    result = mean(make(smoothing, WEIGHTS), logits, mixed(target) if soft else target)
    assert result.item() == pytest.approx(expected, rel=1e-5)


def test_targets_of_label_smoothing() -> None:
    # The gradient of a sample's loss is p - t, and p is 0.1 for equal logits.
    logits = torch.zeros(1, 10, requires_grad=True)
    make(0.1, counts=np.ones(10)).total(logits, torch.tensor([3])).backward()
    expected = [0.01] * 10
    expected[3] = 0.91
    assert (0.1 - logits.grad[0]).tolist() == pytest.approx(expected, abs=1e-6)


def test_minimum_of_the_smoothed_loss_is_at_the_optimal_gap() -> None:
    loss, target = make(0.1, counts=np.ones(10)), torch.tensor([0])
    logits = torch.zeros(1, 10)
    logits[0, 0] = math.log(0.91 / 0.01)
    assert logits[0, 0].item() == pytest.approx(4.511, abs=5e-4)
    assert mean(loss, logits, target).item() == pytest.approx(0.50029, abs=5e-6)
    for step in (-0.05, 0.05):
        moved = logits.clone()
        moved[0, 0] += step
        assert mean(loss, moved, target) > mean(loss, logits, target)


def test_values_in_closed_form() -> None:
    assert mean(make(counts=np.ones(10)), torch.zeros(4, 10), torch.arange(4)).item() == pytest.approx(2.302585)
    result = mean(make(counts=np.ones(3)), torch.tensor([[2.0, 1.0, 0.0]]), torch.tensor([0]))
    assert result.item() == pytest.approx(0.407606, abs=5e-7)


def test_the_weight_of_an_absent_class_changes_nothing() -> None:
    logits, target = batch()
    target = target.clamp(max=2)
    light, heavy = make(weights=(1.0, 2.0, 3.0, 1.0)), make(weights=(1.0, 2.0, 3.0, 100.0))
    assert mean(light, logits, target) == mean(heavy, logits, target)


@pytest.mark.parametrize("weights", ["none", "balanced", WEIGHTS])
@pytest.mark.parametrize("soft", [False, True])
def test_parts_of_a_batch_add_up_to_the_whole(weights: str | tuple[float, ...], soft: bool) -> None:
    loss = make(0.1, weights)
    logits, target = batch()
    target = mixed(target) if soft else target
    parts = [loss.total(a, b) / loss.weight(target) for a, b in zip(logits.split(3), target.split(3), strict=True)]
    torch.testing.assert_close(sum(parts), mean(loss, logits, target))


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    labels = np.repeat(np.arange(4), COUNTS)
    expected = compute_class_weight("balanced", classes=np.arange(4), y=labels)
    loss = make(weights="balanced")
    assert [loss.weight(torch.tensor([i])).item() for i in range(4)] == pytest.approx(expected.tolist())


def test_square_root_weights_are_in_proportion_and_their_mean_over_the_images_is_one() -> None:
    counts = np.array([900, 100])
    found = class_weights(Config(0.0, "sqrt", 0.999), counts)
    assert found[1] / found[0] == pytest.approx(3)  # sqrt(900 / 100)
    assert (found * counts).sum() == pytest.approx(1000)


@pytest.mark.parametrize("beta", [0.0, 0.9, 0.999])
def test_effective_weights_are_those_of_the_sum_of_powers(beta: float) -> None:
    # Cui et al. 2019: the effective number is 1 + b + ... + b**(n - 1); the weights here have the mean 1 of "balanced".
    numbers = np.array([sum(beta**power for power in range(n)) for n in COUNTS])
    found = class_weights(Config(0.0, "effective", beta), COUNTS)
    assert found * numbers == pytest.approx(found[0] * numbers[0])
    assert (found * COUNTS).sum() == pytest.approx(COUNTS.sum())


def test_effective_weights_lie_between_none_and_balanced() -> None:
    ends = [class_weights(Config(0.0, "effective", beta), COUNTS) for beta in (0.0, 1 - 1e-9)]
    assert ends[0] == pytest.approx(np.ones(4))
    assert ends[1] == pytest.approx(COUNTS.sum() / (4 * COUNTS), rel=1e-5)


@pytest.mark.parametrize("weights", ["none", "balanced", "sqrt", "effective", WEIGHTS])
def test_class_weights_are_what_the_loss_counts(weights: str | tuple[float, ...]) -> None:
    found = class_weights(Config(0.0, weights, 0.999), COUNTS)
    assert found.shape == (4,) and found.dtype == np.float64
    loss = make(weights=weights)
    assert [loss.weight(torch.tensor([i])).item() for i in range(4)] == pytest.approx(found.tolist())


@pytest.mark.parametrize("weights", ["sqrt", "effective"])
def test_weights_by_count_need_every_class(weights: str) -> None:
    with pytest.raises(
        RuleError, match=f"class_weights={weights}: expected a training image of every class, .* class 1$"
    ):
        make(weights=weights, counts=np.array([3, 0]))


def test_autocast_does_not_lower_the_precision() -> None:
    loss = make(0.1, WEIGHTS)
    logits, target = batch()
    for wanted in (target, mixed(target)):
        expected = mean(loss, logits, wanted)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(mean(loss, logits, wanted), expected)


def test_half_precision_logits_are_computed_in_float32() -> None:
    logits, target = batch()
    logits = logits.bfloat16()
    result = mean(make(0.1), logits, target)
    assert result.dtype == torch.float32
    assert torch.equal(result, mean(make(0.1), logits.float(), target))


def test_balanced_refuses_a_class_without_images() -> None:
    with pytest.raises(RuleError, match="class_weights=balanced: expected .* there is none of class 1, 3"):
        make(weights="balanced", counts=np.array([5, 0, 3, 0]))


def test_a_wrong_number_of_weights_is_refused() -> None:
    with pytest.raises(RuleError, match=r"class_weights=\[1.0, 2.0\]: expected 4 numbers, one a class"):
        make(weights=(1.0, 2.0))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("label_smoothing", 1.0),
        ("label_smoothing", -0.1),
        ("class_weights", "balance"),
        ("class_weights", []),
        ("class_weights", [1.0, 0.0]),
        ("class_weights", [1.0, float("nan")]),
        ("class_weights", 2.0),
        ("class_weights_beta", 1.0),
        ("class_weights_beta", -0.5),
    ],
)
def test_values_out_of_range_are_refused(key: str, value: object) -> None:
    values = {"label_smoothing": 0.0, "class_weights": "none", "class_weights_beta": 0.999, key: value}
    with pytest.raises(ConfigError, match=f"^loss.{key}"):
        to_dataclass(Config, values, "loss")

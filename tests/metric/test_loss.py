import numpy as np
import pytest
import torch

from cvrun.metric import Metric, Prediction, loss

compute = Metric("loss", loss.MODE, loss.values).compute


def test_uniform_probabilities_cost_the_logarithm_of_their_number() -> None:
    assert compute(Prediction(np.full((4, 10), 0.1, dtype=np.float32), np.arange(4))) == pytest.approx(2.302585)


def test_agrees_with_torch() -> None:
    logits = torch.randn(100, 7, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(100) % 7
    expected = torch.nn.functional.cross_entropy(logits.double(), targets).item()
    result = compute(Prediction(torch.softmax(logits, dim=1).numpy(), targets.numpy()))
    assert result == pytest.approx(expected, rel=1e-6)


def test_a_true_class_of_probability_zero_costs_no_more_than_the_smallest_number() -> None:
    # float32's smallest normal number is 2**-126, and 126 ln 2 = 87.3365.
    assert compute(Prediction(np.array([[1.0, 0.0]], dtype=np.float32), np.array([1]))) == pytest.approx(
        87.3365, abs=5e-5
    )


def test_certainty_costs_nothing() -> None:
    assert str(compute(Prediction(np.eye(3, dtype=np.float32), np.arange(3)))) == "0.0"

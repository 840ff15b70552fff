import numpy as np
import pytest
import torch
from torch import nn

from cvrun.soup import greedy, mean_of


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Flatten(), nn.Linear(5, 2))
    model(torch.randn(8, 3, 3, 3))
    return model


def test_the_mean_of_a_model_with_itself_is_that_model_to_the_bit():
    state = network(0).state_dict()
    for times in (1, 2, 3, 7):
        found = mean_of([state] * times)
        assert list(found) == list(state)
        assert all(torch.equal(found[name], state[name]) for name in state)
        assert all(found[name].dtype == state[name].dtype for name in state)


def test_of_linear_models_it_predicts_the_mean_of_what_they_predict():
    """A linear model is linear in its weights: its closed form."""
    models = [nn.Linear(4, 3).double() for _ in range(5)]
    images = torch.randn(10, 4, dtype=torch.float64)
    mean = nn.Linear(4, 3).double()
    mean.load_state_dict(mean_of([model.state_dict() for model in models]))
    torch.testing.assert_close(mean(images), torch.stack([model(images) for model in models]).mean(0))


def test_it_is_that_of_numpy_in_float64_rounded_once():
    states = [network(seed).state_dict() for seed in range(3)]
    found = mean_of(states)
    for name in ("0.weight", "0.bias", "1.weight", "3.weight"):
        wide = np.mean([state[name].double().numpy() for state in states], axis=0)
        assert np.array_equal(found[name].numpy(), wide.astype(np.float32))


def test_a_counter_has_no_mean():
    one, other = network(0), network(1)
    other(torch.randn(8, 3, 3, 3))
    name = "1.num_batches_tracked"
    assert (one.state_dict()[name], other.state_dict()[name]) == (1, 2)
    assert mean_of([one.state_dict(), other.state_dict()])[name] == 1
    assert mean_of([other.state_dict(), one.state_dict()])[name] == 2


def test_half_precision_and_complex_numbers_stay_what_they_are():
    states = [{"h": torch.tensor([x], dtype=torch.float16), "c": torch.tensor([x * 1j])} for x in (1.0, 2.0)]
    found = mean_of(states)
    assert found["h"].dtype == torch.float16 and found["h"].item() == 1.5
    assert found["c"].dtype == torch.complex64 and found["c"].item() == 1.5j


def test_it_shares_no_memory_with_a_model():
    state = network(0).state_dict()
    found = mean_of([state, state])
    for value in found.values():
        value.zero_()
    assert state["0.weight"].abs().sum() > 0 and state["1.num_batches_tracked"] == 1


@pytest.mark.parametrize(
    ("means", "kept"),
    [
        # The third is added where the score stays, not where it falls; what is left out is not part of later means.
        ({(1, 0): 0.9, (1, 0, 2): 0.9}, (1, 0, 2)),
        ({(1, 0): 0.89, (1, 2): 0.95}, (1, 2)),
        ({(1, 0): 0.95, (1, 0, 2): 0.92}, (1, 0)),
        ({(1, 0): 0.1, (1, 2): 0.1}, (1,)),
    ],
)
def test_greedy_is_the_recipe_of_the_paper(means, kept):
    asked = []
    assert greedy([0.8, 0.9, 0.7], lambda positions: asked.append(positions) or means[positions]) == kept
    assert asked == list(means)


def test_of_equal_scores_the_first_comes_first_and_one_model_is_kept_without_a_question():
    assert greedy([0.5, 0.5, 0.5], lambda positions: 0.5) == (0, 1, 2)
    assert greedy([0.5], lambda positions: pytest.fail("asked")) == (0,)

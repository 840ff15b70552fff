import copy

import torch
from torch import nn

from cvrun.trainer.ema import NoEma, WeightEma


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def wander(model, seed) -> None:
    with torch.no_grad():
        for i, parameter in enumerate(model.parameters()):
            parameter += torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed + i))
        model(torch.randn(8, 3, generator=torch.Generator().manual_seed(seed)))


def test_it_is_the_recursion_with_a_rising_decay():
    model = network()
    ema = WeightEma(model, 0.9)
    expected = [p.detach().double() for p in model.parameters()]
    for n in range(150):
        wander(model, 100 * n)
        ema.update(model)
        decay = min(0.9, (1 + n) / (10 + n))
        expected = [
            e * decay + p.detach().double() * (1 - decay) for e, p in zip(expected, model.parameters(), strict=True)
        ]
    # The decay passes 0.9 at n = 80, so both branches of the minimum have been taken.
    for mine, theirs in zip(ema.model.parameters(), expected, strict=True):
        torch.testing.assert_close(mine.double(), theirs, rtol=1e-4, atol=1e-5)


def test_buffers_are_copied():
    model = network()
    ema = WeightEma(model, 0.99)
    wander(model, 5)
    ema.update(model)
    assert torch.equal(ema.model[1].running_mean, model[1].running_mean)
    assert int(ema.model[1].num_batches_tracked) == int(model[1].num_batches_tracked) == 1


def test_the_update_count_is_state():
    model = network()
    ema = WeightEma(model, 0.999)
    for n in range(5):
        wander(model, n)
        ema.update(model)
    saved = copy.deepcopy(ema.state_dict())
    other = WeightEma(network(), 0.999)
    other.load_state_dict(saved)
    wander(model, 77)
    ema.update(model)
    other.update(model)
    for mine, theirs in zip(ema.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_its_model_is_for_evaluation_and_takes_no_gradient():
    ema = WeightEma(network(), 0.9)
    model = ema.models()["val/ema"]
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_off_is_an_object_that_does_nothing():
    ema = NoEma()
    ema.update(network())
    assert ema.models() == {}
    assert ema.state_dict() == {}


def test_it_does_not_share_memory_with_the_model():
    model = network()
    ema = WeightEma(model, 0.9)
    before = ema.model[0].weight.clone()
    wander(model, 1)
    assert torch.equal(ema.model[0].weight, before)


def test_buffers_of_every_type_are_copied_and_a_model_without_any_is_fine():
    model = network()
    ema = WeightEma(model, 0.9)
    for seed in range(3):
        wander(model, seed)
        ema.update(model)
    assert ema.model[1].num_batches_tracked.item() == 3
    assert ema.model[1].num_batches_tracked.dtype == torch.int64
    linear = nn.Linear(2, 2)
    WeightEma(linear, 0.9).update(linear)


def test_the_average_follows_whichever_model_is_given():
    """The tensors of a model are looked up once, and again for another model."""
    one, other = network(), network()
    ema = WeightEma(one, 0.0)
    ema.update(one)
    wander(other, 3)
    ema.update(other)
    for mine, theirs in zip(ema.model.state_dict().values(), other.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_it_keeps_the_layout_of_the_weights():
    model = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5)).to(memory_format=torch.channels_last)
    ema = WeightEma(model, 0.9)
    plain = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5))
    ema.load_state_dict({"model": plain.state_dict(), "num_updates": 1})
    ema.update(model)
    assert ema.model[0].weight.stride() == model[0].weight.stride() == (27, 1, 9, 3)

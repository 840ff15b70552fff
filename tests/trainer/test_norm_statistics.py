import contextlib
import copy

import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from cvrun.pipeline import Batch
from cvrun.trainer.norm_statistics import estimate, has_statistics


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Conv2d(4, 3, 1))


def batches(count: int = 3) -> list[Batch]:
    torch.manual_seed(1)
    images = [torch.randn(6, 2, 5, 5) + shift for shift in range(count)]
    return [Batch(image, torch.zeros(6, dtype=torch.int64), torch.arange(6)) for image in images]


def statistics(model) -> tuple[torch.Tensor, torch.Tensor]:
    return model[1].running_mean, model[1].running_var


def test_they_are_the_means_over_the_batches():
    """In closed form: the mean of the means and of the unbiased variances of what BatchNorm sees."""
    model = network()
    model(torch.randn(6, 2, 5, 5) * 9)
    estimate(model, iter(batches()), contextlib.nullcontext, 0)
    seen = [model[0](batch.image).detach() for batch in batches()]
    mean, variance = statistics(model)
    torch.testing.assert_close(mean, torch.stack([each.mean((0, 2, 3)) for each in seen]).mean(0))
    torch.testing.assert_close(variance, torch.stack([each.var((0, 2, 3)) for each in seen]).mean(0))
    assert model[1].num_batches_tracked == 3


def test_they_are_those_of_torch_to_the_bit():
    model, other = network(), network()
    estimate(model, iter(batches()), contextlib.nullcontext, 0)
    update_bn([batch.image for batch in batches()], other)
    for mine, theirs in zip(statistics(model), statistics(other), strict=True):
        assert torch.equal(mine, theirs)


def test_weights_momentum_and_mode_stay():
    for training in (True, False):
        model = network().train(training)
        before = copy.deepcopy(model.state_dict())
        estimate(model, iter(batches()), contextlib.nullcontext, 0)
        assert model.training is training and model[1].training is training
        assert model[1].momentum == 0.1
        changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
        assert changed == {"1.running_mean", "1.running_var", "1.num_batches_tracked"}


def test_with_dropout_before_it_they_depend_on_the_seed_alone():
    model = nn.Sequential(nn.Dropout(0.5), *network())

    def found(seed: int) -> torch.Tensor:
        torch.rand(seed + 1)
        estimate(model, iter(batches()), contextlib.nullcontext, seed)
        return model[2].running_var.clone()

    assert torch.equal(found(3), found(3))
    assert not torch.equal(found(3), found(4))


def test_the_precision_is_that_of_autocast():
    model = network()
    estimate(model, iter(batches()), lambda: torch.autocast("cpu", torch.bfloat16), 0)
    rough = statistics(model)[0].clone()
    estimate(model, iter(batches()), contextlib.nullcontext, 0)
    assert not torch.equal(rough, statistics(model)[0])
    torch.testing.assert_close(rough, statistics(model)[0], rtol=0.05, atol=0.05)


def test_a_model_without_any_needs_none():
    assert has_statistics(network())
    assert not has_statistics(nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2)))
    assert not has_statistics(nn.BatchNorm1d(2, track_running_stats=False))

import pytest
import torch
from torch import nn

from cvrun import options
from cvrun.optimizer import param_groups
from cvrun.optimizer._layout import keep_layout

KEYS = {"lr": 0.05, "weight_decay": 0.01, "lr_scale": "none", "base_batch": 256}
FUSED = {
    "sgd": {"momentum": 0.9, "nesterov": True},
    "adam": {"betas": (0.9, 0.99), "eps": 1e-8},
    "adamw": {"betas": (0.9, 0.99), "eps": 1e-8},
    "adagrad": {"eps": 1e-8, "initial_accumulator": 0.0},
}
OTHER = {"rmsprop": {"alpha": 0.9, "eps": 1e-8, "momentum": 0.9, "centered": True}}
MOMENTS = {"sgd": 1, "adam": 2, "adamw": 2, "adagrad": 1, "rmsprop": 3}


def model(layout=torch.channels_last) -> nn.Module:
    """Filters of 3x3 over 5 channels, a pointwise and a depthwise convolution, biases, a matrix."""
    torch.manual_seed(0)
    parts = [nn.Conv2d(5, 7, 3), nn.Conv2d(7, 6, 1), nn.Conv2d(6, 6, 3, groups=6)]
    return nn.Sequential(*parts, nn.Flatten(), nn.Linear(6, 3)).to(memory_format=layout)


def optimizer_of(net, name, kept=True):
    module = options.load("optimizer", name)
    keys = {**FUSED, **OTHER}[name]
    optimizer = module.build(module.Config(**KEYS, **keys), param_groups(net, 0.01), 0.05)
    if kept:
        keep_layout(optimizer)
    return optimizer


def steps(net, optimizer, first, last) -> None:
    for number in range(first, last):
        torch.manual_seed(number)
        net(torch.randn(4, 5, 5, 5)).square().sum().backward()
        for parameter in net.parameters():
            # Gradients that are the same whatever order the convolutions add in.
            values = torch.randn(parameter.shape)
            parameter.grad.copy_(values)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def moments(optimizer) -> list[torch.Tensor]:
    entries = optimizer.state_dict()["state"].values()
    return [value for entry in entries for value in entry.values() if isinstance(value, torch.Tensor)]


def contiguous(value):
    return value.clone(memory_format=torch.contiguous_format) if isinstance(value, torch.Tensor) else value


@pytest.mark.parametrize("name", [*FUSED, *OTHER])
def test_it_is_the_arithmetic_of_contiguous_weights(name):
    nets = model(), model(torch.contiguous_format)
    optimizers = optimizer_of(nets[0], name), optimizer_of(nets[1], name, kept=False)
    for net, optimizer in zip(nets, optimizers, strict=True):
        steps(net, optimizer, 0, 4)
    for mine, theirs in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        # Where a vector ends differs between the layouts, and with it the rounding of the last operation.
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-7)
    assert len(moments(optimizers[0])) == len(moments(optimizers[1])) >= 8
    for mine, theirs in zip(moments(optimizers[0]), moments(optimizers[1]), strict=True):
        assert mine.shape == theirs.shape
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", [*FUSED, *OTHER])
def test_outside_of_a_step_everything_has_its_own_shape_in_the_layout_of_the_weights(name):
    net = model()
    optimizer = optimizer_of(net, name)
    filters = net[0].weight
    place = filters.data_ptr()
    steps(net, optimizer, 0, 2)
    found = [value for value in optimizer.state[filters].values() if value.ndim == 4]
    assert len(found) == MOMENTS[name]
    for value in (filters, *found):
        assert value.shape == (7, 5, 3, 3) and value.stride() == (45, 1, 15, 5)
    assert filters.data_ptr() == place


@pytest.mark.parametrize("name", FUSED)
def test_the_kernel_sees_contiguous_memory(name, monkeypatch):
    """Otherwise it copies weights, gradients and moments in each step."""
    seen = []
    net = model()
    optimizer = optimizer_of(net, name)
    kernels = {"sgd": "_fused_sgd_", "adam": "_fused_adam_", "adamw": "_fused_adamw_", "adagrad": "_fused_adagrad_"}
    kernel = getattr(torch, kernels[name])

    def watched(*lists, **keys):
        seen.extend((tuple(value.shape), value.is_contiguous()) for entry in lists for value in entry)
        return kernel(*lists, **keys)

    monkeypatch.setattr(torch, kernels[name], watched)
    steps(net, optimizer, 0, 1)
    assert (7, 3, 3, 5) in {shape for shape, _ in seen}
    assert all(whole for _, whole in seen)


@pytest.mark.parametrize("name", [*FUSED, *OTHER])
def test_state_of_any_layout_goes_on_with_the_same_bits(name):
    """A commit of older code holds contiguous moments."""
    net = model()
    optimizer = optimizer_of(net, name)
    steps(net, optimizer, 0, 3)
    content = optimizer.state_dict()
    plain = {key: {k: contiguous(v) for k, v in entry.items()} for key, entry in content["state"].items()}
    again = model()
    again.load_state_dict(net.state_dict())
    other = optimizer_of(again, name)
    other.load_state_dict({**content, "state": plain})
    strides = {value.stride() for value in other.state[again[0].weight].values() if value.ndim == 4}
    assert strides == {(45, 1, 15, 5)}
    steps(net, optimizer, 3, 6)
    steps(again, other, 3, 6)
    for mine, theirs in zip(net.parameters(), again.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_parameter_without_a_gradient_is_left_alone():
    net = model()
    optimizer = optimizer_of(net, "sgd")
    before = net[0].weight.clone()
    net[4].weight.grad = torch.ones_like(net[4].weight)
    optimizer.step()
    assert torch.equal(net[0].weight, before) and net[0].weight.shape == (7, 5, 3, 3)


def test_a_step_that_fails_leaves_the_shapes():
    net = model()
    optimizer = optimizer_of(net, "sgd", kept=False)
    seen = []

    def step():
        seen.append(tuple(net[0].weight.shape))
        raise RuntimeError("out of memory")

    optimizer.step = step
    keep_layout(optimizer)
    net(torch.randn(4, 5, 5, 5)).sum().backward()
    with pytest.raises(RuntimeError, match="out of memory"):
        optimizer.step()
    assert seen == [(7, 3, 3, 5)]
    assert net[0].weight.shape == net[0].weight.grad.shape == (7, 5, 3, 3)


def test_nothing_is_permuted_where_nothing_has_to_be():
    for net, name in ((model(torch.contiguous_format), "sgd"), (model(), "rmsprop")):
        optimizer = optimizer_of(net, name)
        assert "step" not in vars(optimizer)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", [*FUSED, *OTHER])
def test_on_cuda_channels_last_weights_step_as_contiguous_ones(name):
    nets = model().cuda(), model(torch.contiguous_format).cuda()
    for net in nets:
        optimizer = optimizer_of(net, name)
        for number in range(3):
            torch.manual_seed(number)
            for parameter in net.parameters():
                parameter.grad = torch.empty_like(parameter).copy_(torch.randn(parameter.shape))
            optimizer.step()
    assert nets[0][0].weight.stride() == (45, 1, 15, 5)
    for mine, theirs in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-7)

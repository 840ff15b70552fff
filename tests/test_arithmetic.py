import contextlib
import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from cvrun import arithmetic
from cvrun.arithmetic import arranged, autocast, computes_bf16

CPU = torch.device("cpu")


class Net(nn.Module):
    """A dense convolution, a depthwise one, a linear layer."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.dense = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.head = nn.Linear(8, 4)
        self.dtypes = []

    def forward(self, image):
        found = self.norm(self.dense(image))
        self.dtypes = [found.dtype]
        found = self.depthwise(found)
        self.dtypes.append(found.dtype)
        return self.head(found.mean((2, 3)))


def images(num=2) -> torch.Tensor:
    """As the loader gives them: a channels-last view."""
    return torch.randn(num, 9, 9, 3, generator=torch.Generator().manual_seed(1)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_filters_are_channels_last_and_nothing_else_changes(precision):
    plain, model = Net(), Net()
    assert arranged(model, precision, CPU) is model
    assert model.dense.weight.stride() == (27, 1, 9, 3)
    assert list(model.state_dict()) == list(plain.state_dict())
    for mine, theirs in zip(model.state_dict().values(), plain.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)


def test_activations_are_channels_last_all_along():
    model = arranged(Net(), "fp32", CPU)
    found = []
    model.depthwise.register_forward_hook(lambda module, given, output: found.extend([*given, output]))
    model(images())
    assert all(value.is_contiguous(memory_format=torch.channels_last) for value in found) and len(found) == 2


def test_the_layout_survives_what_a_checkpoint_does():
    model = arranged(Net(), "fp32", CPU)
    saved = {name: value.clone(memory_format=torch.contiguous_format) for name, value in Net().state_dict().items()}
    model.load_state_dict(saved)
    assert copy.deepcopy(model).dense.weight.stride() == model.dense.weight.stride() == (27, 1, 9, 3)


def test_grouped_convolutions_stay_in_float32_on_a_cpu():
    model = arranged(Net(), "bf16", CPU)
    with autocast("bf16", CPU)():
        logits = model(images())
    assert model.dtypes == [torch.bfloat16, torch.float32]
    assert logits.dtype == torch.bfloat16
    # What the depthwise convolution computes is what it computes without autocast, over the rounded image.
    rounded = images().repeat(1, 3, 1, 1)[:, :8].bfloat16()
    with autocast("bf16", CPU)():
        found = model.depthwise(rounded)
    expected = functional.conv2d(rounded.float(), model.depthwise.weight, model.depthwise.bias, padding=1, groups=8)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_without_autocast_nothing_is_computed_differently(precision):
    one, other = arranged(Net(), precision, CPU), Net().to(memory_format=torch.channels_last)
    for model in (one, other):
        model(images()).sum().backward()
    for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine.grad, theirs.grad)


def test_a_copy_computes_with_its_own_weights():
    """As that of the averaged weights does."""
    model = arranged(Net(), "bf16", CPU)
    duplicate = copy.deepcopy(model)
    with torch.no_grad():
        duplicate.depthwise.weight.zero_()
        duplicate.depthwise.bias.fill_(3.0)
        assert torch.equal(duplicate.depthwise(torch.randn(1, 8, 4, 4)), torch.full((1, 8, 4, 4), 3.0))
        assert not torch.equal(model.depthwise(torch.randn(1, 8, 4, 4)), torch.full((1, 8, 4, 4), 3.0))


def test_on_a_gpu_grouped_convolutions_are_like_all_others():
    model = arranged(Net(), "bf16", torch.device("cuda"))
    assert "forward" not in vars(model.depthwise)


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", None), ("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_autocast(precision, dtype):
    context = autocast(precision, CPU)
    if dtype is None:
        assert context is contextlib.nullcontext
    else:
        with context():
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


@pytest.mark.parametrize(
    ("machine", "avx512", "amx", "arm", "expected"),
    [
        ("x86_64", True, False, True, True),
        ("x86_64", False, True, True, True),
        ("x86_64", False, False, True, False),
        ("aarch64", True, True, False, False),
        ("arm64", False, False, True, True),
    ],
)
def test_which_processors_compute_bf16(monkeypatch, machine, avx512, amx, arm, expected):
    """oneDNN says of an x86 processor without the instructions that it supports bf16: it emulates it."""
    monkeypatch.setattr(arithmetic.platform, "machine", lambda: machine)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)

    class Mkldnn:
        @staticmethod
        def _is_mkldnn_bf16_supported():
            return arm

    monkeypatch.setattr(torch.ops, "mkldnn", Mkldnn)
    assert computes_bf16() is expected


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_on_cuda_activations_are_channels_last_in_the_precision(precision):
    device = torch.device("cuda")
    model = arranged(Net().to(device), precision, device)
    found = []
    model.depthwise.register_forward_hook(lambda module, given, output: found.extend([*given, output]))
    with autocast(precision, device)():
        model(images().to(device)).float().sum().backward()
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    assert {value.dtype for value in found} == {dtype}
    assert all(value.is_contiguous(memory_format=torch.channels_last) for value in found)
    assert model.dense.weight.grad.stride() == model.dense.weight.stride()


class Attending(nn.Module):
    """Attention as timm builds it: the flag, a linear layer, torch's fused function."""

    fused_attn = True

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.qkv = nn.Linear(8, 24)
        self.seen = None

    def forward(self, tokens, mask=None):
        query, key, value = self.qkv(tokens).reshape(2, 5, 3, 2, 4).permute(2, 0, 3, 1, 4)
        self.seen = query, key, value
        return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)


@pytest.mark.parametrize("masked", [False, True])
def test_attention_is_computed_in_float32_on_a_cpu(masked):
    model = arranged(Attending(), "bf16", CPU)
    mask = torch.randn(5, 5).bfloat16() if masked else None
    with autocast("bf16", CPU)():
        found = model(torch.randn(2, 5, 8), mask=mask)
    query, key, value = (part.float() for part in model.seen)
    assert model.seen[0].dtype == torch.bfloat16
    scores = query @ key.transpose(-1, -2) / 2.0  # the root of 4 numbers a head
    expected = torch.softmax(scores + (mask.float() if masked else 0.0), -1) @ value
    assert found.dtype == torch.bfloat16
    # To the last bit of bfloat16, 2**-8 of the value; computed in it, the sums of 5 products would be off by more.
    torch.testing.assert_close(found.float(), expected, rtol=2**-8, atol=1e-5)


def test_attention_without_autocast_and_elsewhere_is_as_ever():
    tokens = torch.randn(2, 5, 8)
    assert torch.equal(arranged(Attending(), "bf16", CPU)(tokens), Attending()(tokens))
    assert "forward" not in vars(arranged(Attending(), "fp32", CPU))
    assert "forward" not in vars(arranged(Attending(), "bf16", torch.device("cuda")))


def test_the_attention_of_a_vit_is_found_and_a_copy_has_its_own():
    import timm

    keys = {"img_size": 32, "patch_size": 16, "embed_dim": 16, "depth": 2, "num_heads": 2, "num_classes": 3}
    model = arranged(timm.models.VisionTransformer(**keys), "bf16", CPU)
    duplicate = copy.deepcopy(model)
    for net in (model, duplicate):
        found = [module for module in net.modules() if "forward" in vars(module)]
        assert found == [block.attn for block in net.blocks]
        assert all(module.forward.__self__ is module for module in found)
    image = torch.randn(2, 3, 32, 32)
    with autocast("bf16", CPU)():
        model(image).float().sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())

"""Every YAML file of the group builds a model that keeps the group's contract."""

import dataclasses
from pathlib import Path

import pytest
import torch
import yaml

from cvrun.model import Shape
from cvrun.options import load
from cvrun.rng import seed_all
from cvrun.typed import to_dataclass

FILES = sorted((Path(__file__).parents[2] / "configs" / "model").glob("*.yaml"))
SHAPES = [Shape(1, 8, 10), Shape(3, 32, 7)]
# Built by name: a small one, whatever the YAML file names.
SMALL = {"timm": "test_resnet", "torchvision": "shufflenet_v2_x0_5"}

each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=["grey", "rgb"])


def parse(path: Path):
    values = yaml.safe_load(path.read_text())
    module = load("model", values.pop("option"))
    return module, to_dataclass(module.Config, values, "model")


def build(path: Path, shape: Shape, seed: int = 0):
    module, config = parse(path)
    name = path.stem
    if name in SMALL:
        config = dataclasses.replace(config, name=SMALL[name])
    seed_all(seed)
    return module.build(config, shape, True)


def images(shape: Shape, num: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(num, shape.channels, shape.size, shape.size, generator=generator)


@each_file
@each_shape
def test_the_output_is_one_logit_a_class(path, shape):
    logits = build(path, shape).eval()(images(shape))
    assert logits.shape == (4, shape.num_classes)
    assert logits.isfinite().all()


@each_file
@each_shape
def test_gradients_reach_every_parameter(path, shape):
    model = build(path, shape)
    with torch.no_grad():
        for parameter in model.parameters():
            # What begins at zero (the last norm of a residual block) blocks the gradient of what lies before it.
            parameter.add_(0.01 * torch.randn_like(parameter))
    torch.nn.functional.cross_entropy(model(images(shape)), torch.tensor([0, 1, 2, 3])).backward()
    without = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert without == []
    # Behind a ReLU or on a map of one pixel single entries can be zero, but not most of a network.
    reached = [bool(p.grad.any()) for p in model.parameters()]
    assert sum(reached) > 0.9 * len(reached)


@each_file
def test_the_seed_decides_the_weights(path):
    first, again, other = (build(path, SHAPES[1], seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@each_file
@each_shape
def test_shapes_are_known_without_memory(path, shape):
    with torch.device("meta"):
        module, config = parse(path)
        model = module.build(config, shape, False).eval()
        logits = model(torch.empty(2, shape.channels, shape.size, shape.size))
    assert logits.device.type == "meta"
    assert logits.shape == (2, shape.num_classes)


@each_file
def test_without_pretrained_weights_there_are_no_statistics(path):
    module, config = parse(path)
    assert module.pretrained_statistics(config) is None

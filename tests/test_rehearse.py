"""What only the objects can judge is refused before anything is decoded or written."""

import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from cvrun import config, options
from cvrun.cli import main
from cvrun.errors import ConfigError
from cvrun.model import Shape
from cvrun.rehearse import leaves_parameters_out, require_weights, smallest_part, try_model


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["normalize=model"], "the model has no pretrained weights"),
        (["model=timm", "model.weights=nope.pt"], "model.weights=nope.pt: no such file"),
        (["optimizer=timm", "optimizer.name=lbfgs"], "optimizer.name=lbfgs"),
        (["loss.class_weights=[1,2]"], "10 numbers, one a class"),
        (
            ["model=timm", "model.name=resnet10t", "data.size=32", "trainer.batch_size=7", "trainer.accumulate=4"],
            "BatchNorm cannot train on 1 image of 1x32x32",
        ),
    ],
)
def test_check_and_train_refuse_it_alike_and_write_nothing(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for command in ("check", "train"):
        assert main([command, *words]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert len(error.splitlines()) == 1
    assert not (tmp_path / "outputs").exists()


def test_a_logger_whose_package_is_missing_is_refused_before_anything_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    assert main(["train", "logger=tensorboard"]) == 2
    assert "logger=tensorboard: the package is not installed" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_parameters_are_counted_without_memory():
    spec = config.compose(["model=torchvision", "model.name=vgg16"])
    # checklist.md F14: VGG-16 for 1,000 classes.
    assert try_model(spec, Shape(3, 224, 1000), smallest=1) == 138_357_544


def test_a_file_of_weights_that_is_there_is_fine(tmp_path):
    (tmp_path / "w.pt").touch()
    require_weights(config.compose(["model=timm", f"model.weights={tmp_path / 'w.pt'}"]))
    require_weights(config.compose([]))
    with pytest.raises(ConfigError):
        require_weights(config.compose(["model=timm", f"model.weights={tmp_path}"]))


def test_a_model_too_large_for_memory_is_tried_on_shapes_alone():
    # Convolutions and a classifier of 25,088 x 4,096: half a gigabyte if it were in memory.
    spec = config.compose(["model=torchvision", "model.name=vgg16"])
    with pytest.raises(ConfigError, match="cannot take images of 3x8x8"):
        try_model(spec, Shape(3, 8, 10), smallest=4)


@pytest.mark.parametrize("width", [4, 512])
def test_the_number_of_threads_stays(width):
    spec, threads = config.compose([f"model.width={width}"]), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert try_model(spec, Shape(1, 8, 10), smallest=4) > 0
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ("size", "accumulate", "devices", "wanted"),
    [(8, 1, 1, 8), (8, 2, 1, 4), (10, 1, 2, 4), (10, 2, 2, 2), (7, 3, 2, 1)],
)
def test_the_smallest_part_of_a_batch(size, accumulate, devices, wanted):
    assert smallest_part(SimpleNamespace(batch_size=size, accumulate=accumulate), devices) == wanted


@pytest.mark.parametrize(
    ("size", "accumulate", "devices", "said"),
    [
        (4, 1, 3, "trainer.batch_size=4: of 3 devices one gets 0, expected one image"),
        (6, 3, 2, "trainer.batch_size=6: of 2 devices one gets 2, expected trainer.accumulate=3 images"),
    ],
)
def test_a_batch_without_an_image_for_each_is_refused(size, accumulate, devices, said):
    with pytest.raises(ConfigError, match=said):
        smallest_part(SimpleNamespace(batch_size=size, accumulate=accumulate), devices)


class Half(nn.Module):
    """A model of which a layer is never asked."""

    def __init__(self, asks: bool):
        super().__init__()
        self.used, self.other, self.asks = nn.Linear(12, 10), nn.Linear(10, 10), asks

    def forward(self, image):
        found = self.used(image.flatten(1))
        return self.other(found) if self.asks else found


@pytest.mark.parametrize("asks", [True, False])
def test_parameters_that_the_logits_do_not_depend_on_are_found(asks, monkeypatch):
    monkeypatch.setattr(options, "build", lambda *arguments: Half(asks))
    assert leaves_parameters_out(config.compose([]), Shape(3, 2, 10)) is not asks


def test_frozen_parameters_are_not_among_them(monkeypatch):
    def build(*arguments):
        model = Half(False)
        model.other.requires_grad_(False)
        return model

    monkeypatch.setattr(options, "build", build)
    assert not leaves_parameters_out(config.compose([]), Shape(3, 2, 10))


def test_a_model_that_nobody_can_try_may_have_some(monkeypatch):
    monkeypatch.setattr(options, "build", lambda *arguments: Half(True))
    assert leaves_parameters_out(config.compose([]), Shape(3, 7, 10))

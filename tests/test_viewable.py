"""Views that the model cannot take, or that are the same, are refused before anything is decoded or trained."""

import pytest
import torch
from torch import nn

from cvrun import config
from cvrun.errors import ConfigError
from cvrun.model import Shape
from cvrun.tta import none, views
from cvrun.viewable import require_views, try_views

VIT = ("model=timm", "model.name=vit_tiny_patch16_224")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["tta=crops", *VIT],
            "tta=crops: the model cannot take views of 3x28x28 .*expected views of 3x32x32; .*resized",
        ),
        (["tta=ten_crop", *VIT], "cannot take views of 3x28x28"),
        (["tta=scales", *VIT], "cannot take views of 3x24x24"),
        (["tta=scales", "tta.scales=[1,1.01]"], "views plain and plain_x1.01 are the same where images have 32 pixels"),
        (["tta=crops", "tta.fraction=0.99"], "views center and top_left are the same"),
    ],
)
def test_they_are_refused(words, said):
    with pytest.raises(ConfigError, match=said):
        try_views(config.compose(words), Shape(3, 32, 10))


@pytest.mark.parametrize(
    "words",
    [
        ["tta=none", *VIT],
        ["tta=d4", *VIT],
        ["tta=flips", *VIT],
        ["tta=rotations", *VIT],
        ["tta=crops", "tta.resized=true", *VIT],
        ["tta=scales", "model=timm", "model.name=resnet18"],
        ["tta=ten_crop"],
        ["tta=views", "tta.rotations=[0,90,30]"],
    ],
    ids=" ".join,
)
def test_they_are_taken_and_the_number_of_threads_stays(words):
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        try_views(config.compose(words), Shape(3, 32, 10))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_no_model_is_built_for_views_of_the_size_of_the_images(monkeypatch):
    monkeypatch.setattr("cvrun.viewable._model", lambda *arguments: pytest.fail("built"))
    try_views(config.compose(["tta=rotations"]), Shape(3, 32, 10))


def test_a_model_without_a_rule_for_shapes_is_not_judged():
    class Silent(nn.Linear):
        def forward(self, image):
            raise NotImplementedError("no rule")

    tta = views.build(views.Config(False, False, (0,), (1, 2), "edge", "mean"))
    require_views(tta, "tta=views", Silent(1, 1), Shape(1, 8, 2))
    require_views(none.build(none.Config()), "tta=none", Silent(1, 1), Shape(1, 8, 2))


def test_check_and_train_refuse_it_alike_and_write_nothing(call, tmp_path):
    for command in ("check", "train"):
        said = call(command, *VIT, "data.size=32", "tta=crops")
        assert said.code == 2
        assert "cannot take views of 1x28x28" in said.err
        assert len(said.err.splitlines()) == 1
    assert not (tmp_path / "outputs").exists()

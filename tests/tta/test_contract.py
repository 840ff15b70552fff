import itertools
from typing import Any

import pytest
import torch
import yaml
from torch import nn

from cvrun.errors import ConfigError
from cvrun.options import choices, load, module_names
from cvrun.tta import MERGES, TTA, merge_views
from cvrun.typed import to_dataclass

CHOICES = choices("tta")


def parts(choice: str) -> tuple[Any, dict[str, Any]]:
    values = yaml.safe_load(CHOICES[choice].read_text())
    return load("tta", values.pop("option")), values


def tta_of(choice: str, **keys: object) -> TTA:
    module, values = parts(choice)
    tta: TTA = module.build(to_dataclass(module.Config, values | keys, "tta"))
    return tta


ON = [choice for choice in CHOICES if tta_of(choice)]
SHAPES = [(2, 3, 6, 6), (2, 3, 5, 8)]


def dense(model: nn.Module, tta: TTA, image: torch.Tensor) -> torch.Tensor:
    return merge_views(torch.stack([view.inverse(model(view.forward(image))) for view in tta.views]), tta.merge)


def test_every_module_has_a_yaml_and_every_yaml_a_module() -> None:
    assert {yaml.safe_load(path.read_text())["option"] for path in CHOICES.values()} == set(module_names("tta"))


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_inverse_undoes_forward(choice: str, shape: tuple[int, ...]) -> None:
    image = torch.rand(shape)
    for view in tta_of(choice).views:
        assert torch.equal(view.inverse(view.forward(image)), image)


@pytest.mark.parametrize("choice", ON)
def test_views_differ_and_the_first_is_the_image_itself(choice: str) -> None:
    image, views = torch.arange(16.0).reshape(1, 1, 4, 4), tta_of(choice).views
    seen = [view.forward(image) for view in views]
    assert torch.equal(seen[0], image)
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(seen, 2))
    assert len({view.name for view in views}) == len(views)


@pytest.mark.parametrize("choice", ON)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("merge", [merge for merge in MERGES if merge != "vote"])
def test_a_model_that_sees_single_pixels_gains_nothing(choice: str, shape: tuple[int, ...], merge: str) -> None:
    torch.manual_seed(0)
    model, image = nn.Conv2d(3, 4, 1), torch.randn(shape)
    plain = torch.softmax(model(image), dim=1)
    torch.testing.assert_close(dense(model, tta_of(choice, merge=merge), image), plain, rtol=0, atol=1e-6)


@pytest.mark.parametrize("choice", ON)
def test_an_unknown_merge_is_refused(choice: str) -> None:
    with pytest.raises(ConfigError, match="^tta.merge=means: expected one of mean, .*did you mean 'mean'"):
        tta_of(choice, merge="means")

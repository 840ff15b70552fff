import itertools
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, nn

from cvrun.errors import ConfigError
from cvrun.options import choices, load, module_names
from cvrun.tta import KINDS, MERGES, TTA
from cvrun.tta._passes import predict_pixels
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
SHAPES = [(2, 3, 16, 16), (2, 3, 13, 20)]


def waves(shape: tuple[int, ...]) -> Tensor:
    """A smooth image, which is nearly the same between its pixels."""
    down, across = (torch.linspace(0, 2, length) for length in shape[-2:])
    return torch.sin(down[:, None] + 2 * across).expand(shape).clone()


def test_every_module_has_a_yaml_and_every_yaml_a_module() -> None:
    assert {yaml.safe_load(path.read_text())["option"] for path in CHOICES.values()} == set(module_names("tta"))


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_g3_inverse_undoes_forward_as_its_kind_says(choice: str, shape: tuple[int, ...]) -> None:
    for view in tta_of(choice).views:
        assert view.kind in KINDS
        image = waves(shape) if view.kind == "interpolated" else torch.rand(shape)
        seen = view.forward(image)
        back = view.inverse(seen, shape[-2:])
        share = view.inverse(torch.ones_like(seen), shape[-2:])
        assert back.shape == image.shape
        if view.kind == "exact":
            assert torch.equal(back, image)
            assert bool((share == 1).all())
        elif view.kind == "part":
            assert set(share.flatten().tolist()) == {0.0, 1.0}
            assert torch.equal(back, image * share)
        else:
            # The middle, away from padding; a step between pixels of the wave is about 0.2.
            inner = (..., slice(5, -5), slice(5, -5))
            torch.testing.assert_close(back[inner], image[inner], rtol=0, atol=0.03)
            assert bool((share[inner] > 0.999).all())


@pytest.mark.parametrize("choice", ON)
def test_views_differ_and_the_first_is_the_image_itself_or_its_centre(choice: str) -> None:
    image, views = torch.arange(256.0).reshape(1, 1, 16, 16), tta_of(choice).views
    seen = [view.forward(image) for view in views]
    first = image if views[0].name == "plain" else image[..., 1:-1, 1:-1]
    assert torch.equal(seen[0], first)
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(seen, 2))
    assert len({view.name for view in views}) == len(views)


@pytest.mark.parametrize("choice", ON)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("merge", [merge for merge in MERGES if merge != "vote"])
def test_g3_a_model_that_sees_single_pixels_gains_nothing(choice: str, shape: tuple[int, ...], merge: str) -> None:
    torch.manual_seed(0)
    tta, model = tta_of(choice, merge=merge), nn.Conv2d(3, 4, 1)
    smooth = any(view.kind == "interpolated" for view in tta.views)
    image = waves(shape) if smooth else torch.randn(shape)
    found, plain = predict_pixels(model, image, tta), torch.softmax(model(image), dim=1)
    inner = (..., slice(5, -5), slice(5, -5)) if smooth else ...
    torch.testing.assert_close(found[inner], plain[inner], rtol=0, atol=5e-3 if smooth else 1e-6)


@pytest.mark.parametrize("choice", ON)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("merge", MERGES)
def test_c5_what_is_the_same_everywhere_stays_so(choice: str, shape: tuple[int, ...], merge: str) -> None:
    torch.manual_seed(0)
    model, image = nn.Conv2d(3, 4, 1), torch.tensor([0.3, -1.0, 2.0])[:, None, None].expand(shape)
    found = predict_pixels(model, image, tta_of(choice, merge=merge))
    torch.testing.assert_close(found, found[..., :1, :1].expand_as(found), rtol=0, atol=1e-6)
    if merge != "vote":
        torch.testing.assert_close(found, torch.softmax(model(image), dim=1), rtol=0, atol=1e-6)


@pytest.mark.parametrize("choice", ON)
def test_an_unknown_merge_is_refused(choice: str) -> None:
    with pytest.raises(ConfigError, match="^tta.merge=means: expected one of mean, .*did you mean 'mean'"):
        tta_of(choice, merge="means")

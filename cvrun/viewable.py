"""Whether a model takes the views of test-time augmentation, whose size may be another than that of its images."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from cvrun import options
from cvrun.errors import ConfigError
from cvrun.model import Shape
from cvrun.rehearse import SMALL, on_shapes
from cvrun.spec import Spec
from cvrun.tta import TTA


def try_views(spec: Spec, shape: Shape) -> None:
    """See, before there are images, that the model of spec takes the views of spec.

    Raises:
        ConfigError: If it does not, or two views are the same.
    """
    choice = spec.parts["tta"]
    tta: TTA = options.build("tta", choice.option, choice.config)
    threads = torch.get_num_threads()
    # No thread is started: processes may be forked from this one.
    torch.set_num_threads(1)
    try:
        said = f"tta={choice.option}"
        if _other_shapes(tta, said, shape):
            require_views(tta, said, _model(spec, shape), shape)
    finally:
        torch.set_num_threads(threads)


def require_views(tta: TTA, said: str, model: nn.Module, shape: Shape) -> None:
    """See that model takes the views.

    Args:
        tta: The views.
        said: How the user chose them, such as "tta=crops".
        model: In evaluation mode.
        shape: Of its images.

    Raises:
        ConfigError: If it does not, or two views are the same.
    """
    device = next(model.parameters()).device
    for size in _other_shapes(tta, said, shape):
        try:
            with torch.inference_mode():
                model(torch.zeros(size, device=device))
        except NotImplementedError:
            # An operation without a shape rule on the meta device; the first real batch will tell.
            return
        except Exception as error:
            forms = ["x".join(map(str, form)) for form in (size[1:], (shape.channels, shape.size, shape.size))]
            message = f"{said}: the model cannot take views of {forms[0]} ({error}), expected views of {forms[1]}"
            hint = "tta=flips, rotations and d4 keep the size, and crops do with tta.resized=true"
            raise ConfigError(message, hint) from error


def _other_shapes(tta: TTA, said: str, shape: Shape) -> list[tuple[int, ...]]:
    """Give the shapes (1, C, h, w) of the views but for that of the image itself.

    Raises:
        ConfigError: If two views are the same.
    """
    plain = 1, shape.channels, shape.size, shape.size
    image = torch.linspace(-1, 1, shape.channels * shape.size**2).reshape(plain)
    seen: list[tuple[str, Tensor]] = [(view.name, view.forward(image)) for view in tta.views]
    for (name, one), (other, another) in itertools.combinations(seen, 2):
        if torch.equal(one, another):
            message = f"{said}: views {name} and {other} are the same where images have {shape.size} pixels"
            raise ConfigError(f"{message}, expected different views", "a scale or a fraction is too close to 1")
    return [size for size in dict.fromkeys(tuple(view.shape) for _, view in seen) if size != plain]


def _model(spec: Spec, shape: Shape) -> nn.Module:
    """Give the model in evaluation mode, as rehearse.try_model does: a small one in memory, a larger one on shapes."""
    choice = spec.parts["model"]
    model = on_shapes(spec, shape)
    if sum(parameter.numel() for parameter in model.parameters()) <= SMALL:
        model = options.build("model", choice.option, choice.config, shape, False)
    return model.eval()

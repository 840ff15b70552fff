"""The normalization of a run: fitted to its training images, told to its user, kept with the split it was fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cvrun import options
from cvrun.images import Decodable, all_pixels, identity
from cvrun.normalize import Normalization, Source, from_state
from cvrun.plan import Plan


def fit(plan: Plan, images: Decodable) -> Normalization:
    """Give the normalization that the plan asks for; images are those of the training part.

    Raises:
        ConfigError: If its values do not fit the images.
    """
    choice, model = plan.spec.parts["normalize"], plan.spec.parts["model"]
    source = Source(
        channels=plan.shape.channels,
        train_images=lambda: all_pixels(images, plan.spec.settings),
        fingerprint=lambda: identity(images),
        pretrained=options.load("model", model.option).pretrained_statistics(model.config),
    )
    normalize: Normalization = options.build("normalize", choice.option, choice.config, source)
    return normalize


def kept(normalize: Normalization, plan: Plan) -> dict[str, Any]:
    """Give what a checkpoint holds: the state, and the split whose training part it was fitted on."""
    return {**normalize.state(), "split": plan.data.split_fingerprint}


def line(plan: Plan, meta: Mapping[str, Any]) -> str:
    """Give what is done to the pixels, with the fitted numbers, of what a checkpoint says about its run."""
    normalize = from_state(meta["normalization"], plan.shape.channels, plan.folder.path.as_posix())
    return f"normalize: {plan.spec.parts['normalize'].option}, {normalize.described()}"

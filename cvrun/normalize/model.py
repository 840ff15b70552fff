"""Mean and standard deviation with which the model's pretrained weights were trained."""

from __future__ import annotations

from dataclasses import dataclass

from cvrun.errors import ConfigError
from cvrun.normalize import Source, for_channels
from cvrun.normalize._affine import Affine


@dataclass(frozen=True)
class Config:
    """No keys: the weights decide."""


def build(config: Config, source: Source) -> Affine:
    """Give the normalization; grey images get the mean over the three channels.

    Raises:
        ConfigError: If the model has no pretrained weights.
    """
    if source.pretrained is None:
        raise ConfigError(
            "normalize=model: the model has no pretrained weights, expected a model that names some",
            "set model.pretrained=true or model.weights=FILE, or use normalize=zscore",
        )
    return for_channels(*source.pretrained, source.channels)

"""Predicts the image as it is, once."""

from __future__ import annotations

from dataclasses import dataclass

from cvrun.tta import TTA


@dataclass(frozen=True)
class Config:
    """No keys."""


def build(config: Config) -> TTA:
    """Give no views."""
    return TTA(views=(), merge="mean")

"""Normalizations that bend: y = f(scale * x), x from 0 to 1, with exact inverses.

| function | f(t)        | inverse      |
|----------|-------------|--------------|
| log1p    | log(1 + t)  | exp(y) - 1   |
| exp_sat  | 1 - exp(-t) | -log(1 - y)  |
| tanh     | tanh(t)     | artanh(y)    |
| atan     | arctan(t)   | tan(y)       |

A larger scale spreads the dark levels and squeezes the bright ones. It is bounded so that in float32 no two of the 256
levels become one, and the inverse gives back each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cvrun.errors import require
from cvrun.normalize._saved import number, shown, word


@dataclass(frozen=True)
class Function:
    """A rising function from 0 on, and what undoes it.

    Attributes:
        forward: t -> f(t); may use the memory of t.
        back: f(t) -> t; may not.
        text: f(t) in words, with {} for t.
        largest: Scale up to which the levels stay apart: the slope at the end is not lost in rounding.
    """

    forward: Callable[[Tensor], Tensor]
    back: Callable[[Tensor], Tensor]
    text: str
    largest: float


FUNCTIONS: Mapping[str, Function] = {
    "log1p": Function(torch.Tensor.log1p_, torch.expm1, "log(1 + {})", 1e6),
    "exp_sat": Function(lambda t: t.neg_().expm1_().neg_(), lambda y: (-y).log1p().neg(), "1 - exp(-{})", 10.0),
    "tanh": Function(torch.Tensor.tanh_, torch.atanh, "tanh({})", 6.0),
    "atan": Function(torch.Tensor.atan_, torch.tan, "arctan({})", 1000.0),
}


@dataclass(frozen=True)
class Curve:
    """y = f(scale * x / 255), the same for every channel.

    Attributes:
        function: A name of FUNCTIONS.
        scale: What f is given for the brightest level, > 0.
    """

    function: str
    scale: float

    def __call__(self, image: Tensor) -> Tensor:
        """Give image (B, C, H, W), uint8 or float32 in [0, 255], normalized as float32."""
        values = image.to(torch.float32)
        factor = self.scale / 255
        # A table of the 256 levels takes longer than computing: on a CPU 3 times as long as a multiply-add, not 1 to 2.
        return FUNCTIONS[self.function].forward(values * factor if values is image else values.mul_(factor))

    def statistics(self, image: Tensor) -> None:
        """Give None: nothing depends on the image."""

    def inverse(self, normalized: Tensor, statistics: object = None) -> Tensor:
        """Give the image, float32 in [0, 255], of a normalized one (B, C, H, W); what lies beyond becomes the bound."""
        one = FUNCTIONS[self.function]
        ends = one.forward(torch.tensor([0.0, self.scale], dtype=torch.float64)).tolist()
        return one.back(normalized.clamp(*ends)).mul_(255 / self.scale).clamp_(0, 255)

    def state(self) -> dict[str, Any]:
        """Give what it is as plain values, for a checkpoint."""
        return {"kind": "curve", "function": self.function, "scale": self.scale}

    def described(self) -> str:
        """Give the formula for a person."""
        return f"{FUNCTIONS[self.function].text.format(f'{self.scale:g} x')}, x from 0 to 1"

    @classmethod
    def from_state(cls, state: Mapping[str, Any], channels: int) -> Curve:
        """Give what state() described.

        Raises:
            ValueError: If it describes none.
        """
        function, scale = word(state, "function", tuple(FUNCTIONS)), number(state, "scale")
        if not 0 < scale <= FUNCTIONS[function].largest:
            raise ValueError(f"scale is {shown(scale)}, expected 0 < scale <= {FUNCTIONS[function].largest:g}")
        return cls(function, scale)


def require_scale(function: str, scale: float) -> None:
    """Check the key `scale` of an option.

    Raises:
        RuleError: If levels would become one.
    """
    largest = FUNCTIONS[function].largest
    require(0 < scale <= largest, "scale", scale, f"0 < scale <= {largest:g}")

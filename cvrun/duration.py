"""Durations such as "5ep", "500st" and "5%", turned into optimizer steps at one door."""

from __future__ import annotations

import math
import re
from typing import Annotated

from cvrun.errors import RuleError

_FORM = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)\s*(?P<unit>ep|st|%)")
_RULE = "a number with a unit: 5ep (epochs), 500st (steps) or 5% (of the run)"

Duration = Annotated[str, _RULE]
"""The type of a key that holds a duration; the text is what a message expects."""


def parse(text: str, key: str) -> tuple[float, str]:
    """Split a duration into its number and unit.

    Args:
        text: Such as "5ep", "1.5ep", "500st" or "5%".
        key: The configuration key, for the message.

    Returns:
        The number and one of "ep", "st", "%".

    Raises:
        RuleError: If text has another form, "st" has a fraction, or the number is above 1e15.
    """
    match = _FORM.fullmatch(str(text).strip())
    if match is None:
        raise RuleError(key, text, _RULE)
    number, unit = float(match["number"]), match["unit"]
    if number > 1e15:
        raise RuleError(key, text, "a number up to 1e15")
    if unit == "st" and number != int(number):
        raise RuleError(key, text, "a whole number of steps")
    return number, unit


def to_steps(text: str, *, key: str, steps_per_epoch: int, total_steps: int) -> int:
    """Give a duration in optimizer steps, rounded to the nearest.

    Args:
        text: The duration.
        key: The configuration key, for the message.
        steps_per_epoch: Optimizer steps an epoch.
        total_steps: Optimizer steps of the whole run; what "%" refers to.

    Returns:
        Steps, >= 0; at least 1 when the number is above 0.

    Raises:
        RuleError: If text is not a duration.
    """
    number, unit = parse(text, key)
    factor = {"ep": float(steps_per_epoch), "st": 1.0, "%": total_steps / 100.0}[unit]
    steps = math.floor(number * factor + 0.5)
    return max(steps, 1) if number > 0 else 0

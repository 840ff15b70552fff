"""Numbers of a normalization as a checkpoint holds them: whoever wrote the file, none is used that cannot be right."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cvrun.errors import one_of

MAX_SHOWN = 40
"""[characters] of a wrong value that a message shows."""


def number(state: Mapping[str, Any], key: str) -> float:
    """Give a finite number.

    Raises:
        ValueError: If it is missing or anything else.
    """
    return _finite(key, _of(state, key))


def numbers(state: Mapping[str, Any], key: str, channels: int) -> tuple[float, ...]:
    """Give finite numbers: one a channel, or one for all channels.

    Raises:
        ValueError: If they are missing or anything else.
    """
    values = _of(state, key)
    if not isinstance(values, list | tuple):
        raise ValueError(f"{key} is {shown(values)}, expected a list of numbers")
    if len(values) not in (1, channels):
        raise ValueError(f"{key} has {len(values)} numbers, expected {channels}, one a channel")
    return tuple(_finite(key, value) for value in values)


def word(state: Mapping[str, Any], key: str, choices: tuple[str, ...]) -> str:
    """Give one of choices.

    Raises:
        ValueError: If it is missing or anything else.
    """
    value = _of(state, key)
    if not isinstance(value, str):
        raise ValueError(f"{key} is {shown(value)}, expected one of {', '.join(choices)}")
    one_of(key, value[:MAX_SHOWN], choices)
    return value


def flag(state: Mapping[str, Any], key: str) -> bool:
    """Give True or False.

    Raises:
        ValueError: If it is missing or anything else.
    """
    value = _of(state, key)
    if not isinstance(value, bool):
        raise ValueError(f"{key} is {shown(value)}, expected true or false")
    return value


def shown(value: object) -> str:
    """Give a value for a message, never a long one."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a whole number of thousands of digits, a list within itself
        text = type(value).__name__
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def _of(state: Mapping[str, Any], key: str) -> Any:
    if key not in state:
        raise ValueError(f"{key} is missing")
    return state[key]


def _finite(key: str, value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            if math.isfinite(found := float(value)):
                return found
        except OverflowError:
            pass
    raise ValueError(f"{key} holds {shown(value)}, expected finite numbers")

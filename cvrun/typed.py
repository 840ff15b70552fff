"""The door between text and code: a mapping of plain values becomes a flat frozen dataclass, or a one-line error."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import sys
import types
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from cvrun.errors import ConfigError, RuleError, did_you_mean

T = TypeVar("T")


def to_dataclass(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """Give cls filled with values, every key known, present and of its type.

    Fields may be bool, int, float, str, None, tuple[X, ...], unions of these, and Annotated[X, "what is expected"].
    An int is taken for a float; nothing else is converted.

    Args:
        cls: A dataclass.
        values: Key -> plain value.
        where: Prefix of the keys in messages, such as "optimizer".

    Raises:
        ConfigError: If a key is unknown or missing, or a value has another type or breaks a rule of cls.
    """
    hints = get_type_hints(cls, include_extras=True)
    names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    for name in values:
        if name not in names:
            known = f"expected one of {', '.join(names)}" if names else "this choice has no keys"
            raise ConfigError(f"{_full(where, name)}: unknown key, {known}", did_you_mean(str(name), names))
    missing = [name for name in names if name not in values]
    if missing:
        raise ConfigError(f"{_full(where, missing[0])}: no value, expected {describe(hints[missing[0]])}")
    converted = {name: _convert(values[name], hints[name], _full(where, name)) for name in names}
    try:
        return cls(**converted)
    except RuleError as error:
        raise rule_broken(error, where) from None


def rule_broken(error: RuleError, where: str) -> ConfigError:
    """Give the user's error for a rule that a value breaks, with the full name of the key."""
    return ConfigError(f"{_full(where, error.key)}={error.value}: expected {error.rule}", error.hint)


def describe(hint: Any) -> str:
    """Give a type in words, such as "a number" or "a list of text, or nothing (null)"."""
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "text", type(None): "null"}
    if hint in words:
        return words[hint]
    if get_origin(hint) is Annotated:
        return str(hint.__metadata__[0])
    if get_origin(hint) is tuple:
        return f"a list, each entry {describe(get_args(hint)[0])}"
    return " or ".join(describe(part) for part in get_args(hint))


def _convert(value: Any, hint: Any, key: str) -> Any:
    for part in get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,):
        taken, result = _try(value, part, key)
        if taken:
            return result
    raise ConfigError(f"{key}={_shown(value)}: expected {describe(hint)}", _advice(value, hint))


def _advice(value: Any, hint: Any) -> str:
    """Give what to write instead of a value that YAML read in another way than it was meant; often nothing."""
    kinds = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    # What is expected of a text with a name of its own, such as a duration, is said already.
    named = (kind for kind in kinds if get_origin(kind) is Annotated)
    kinds = (*kinds, *(get_args(kind)[0] for kind in named if get_args(kind)[0] is not str))
    if isinstance(value, bool):
        return "YAML reads yes, no, on and off as true or false, text needs quotes" if bool not in kinds else ""
    if str in kinds and isinstance(value, int | float):
        return "text that reads as a number needs quotes"
    if int in kinds and isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return f"write {int(value)}"
    if {int, float} & set(kinds) and isinstance(value, str) and re.fullmatch(r"[-+]?0[oObBxX]\w{1,16}", value):
        with contextlib.suppress(ValueError):
            return f"write {int(value, 0)}"
    return ""


def _shown(value: Any) -> str:
    """Give a value as YAML spells it."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return repr(value) if isinstance(value, str) else f"{value}"


def _try(value: Any, hint: Any, key: str) -> tuple[bool, Any]:
    if get_origin(hint) is Annotated:
        return _try(value, get_args(hint)[0], key)
    if get_origin(hint) is tuple:
        if not isinstance(value, list | tuple):
            return False, None
        return True, tuple(_convert(entry, get_args(hint)[0], f"{key}[{i}]") for i, entry in enumerate(value))
    if hint is type(None):
        return value is None, None
    if isinstance(value, bool):
        return hint is bool, value
    if hint is float and isinstance(value, int | float):
        fits = isinstance(value, float) or abs(value) <= sys.float_info.max
        return fits, float(value) if fits else None
    return isinstance(value, hint), value


def _full(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name

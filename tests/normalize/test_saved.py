import math

import pytest

from cvrun.normalize._saved import MAX_SHOWN, flag, number, numbers, shown, word


def test_what_is_right_is_given():
    state = {"a": [1, 0.5, -2.0], "one": (3,), "b": 7, "c": "left", "d": False}
    assert numbers(state, "a", 3) == (1.0, 0.5, -2.0)
    assert numbers(state, "one", 3) == (3.0,)
    assert number(state, "b") == 7.0 and isinstance(number(state, "b"), float)
    assert word(state, "c", ("left", "right")) == "left"
    assert flag(state, "d") is False


@pytest.mark.parametrize("value", [None, True, "1", [1], math.nan, -math.inf, 10**400, 1j])
def test_what_is_no_finite_number_is_an_error(value):
    with pytest.raises(ValueError, match="b holds"):
        number({"b": value}, "b")
    with pytest.raises(ValueError, match="a holds"):
        numbers({"a": [value]}, "a", 1)


@pytest.mark.parametrize("read", [number, flag, lambda s, k: numbers(s, k, 1), lambda s, k: word(s, k, ("x",))])
def test_what_is_missing_is_an_error(read):
    with pytest.raises(ValueError, match="a is missing"):
        read({}, "a")


def test_a_message_never_shows_a_long_value():
    within: list = []
    within.append(within)
    for value in ("x" * 10**6, list(range(10**5)), 10**5000, within):
        assert len(shown(value)) <= MAX_SHOWN + 3
    assert shown(0.5) == "0.5"

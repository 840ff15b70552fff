from dataclasses import dataclass

import pytest

from cvrun.duration import Duration
from cvrun.errors import ConfigError, require
from cvrun.typed import describe, to_dataclass


@dataclass(frozen=True)
class Config:
    flag: bool
    count: int
    rate: float
    word: str
    maybe: float | None
    names: tuple[str, ...] | None
    either: str | tuple[float, ...]
    every: Duration
    milestones: tuple[Duration, ...]

    def __post_init__(self) -> None:
        require(self.count >= 0, "count", self.count, "count >= 0", "try 1")


FINE = {
    "flag": True,
    "count": 3,
    "rate": 0.5,
    "word": "x",
    "maybe": None,
    "names": ["a", "b"],
    "either": "none",
    "every": "5ep",
    "milestones": ["50%", "75%"],
}


def fill(**changes):
    return to_dataclass(Config, {**FINE, **changes}, "part")


def test_values_arrive():
    assert fill() == Config(True, 3, 0.5, "x", None, ("a", "b"), "none", "5ep", ("50%", "75%"))


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("rate", 1, 1.0),
        ("maybe", 2, 2.0),
        ("names", None, None),
        ("names", [], ()),
        ("either", [1, 2.5], (1.0, 2.5)),
        ("rate", float("inf"), float("inf")),
    ],
)
def test_conversions(key, value, wanted):
    found = getattr(fill(**{key: value}), key)
    assert found == wanted and type(found) is type(wanted)


QUOTES = "; text that reads as a number needs quotes"
SWITCH = "; YAML reads yes, no, on and off as true or false, text needs quotes"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("flag", 1, "part.flag=1: expected true or false"),
        ("flag", "no", "part.flag='no': expected true or false"),
        ("flag", None, "part.flag=null: expected true or false"),
        ("count", 1.0, "part.count=1.0: expected a whole number; write 1"),
        ("count", 1.5, "part.count=1.5: expected a whole number"),
        ("count", 1e300, "part.count=1e+300: expected a whole number"),
        ("count", float("nan"), "part.count=nan: expected a whole number"),
        ("count", True, f"part.count=true: expected a whole number{SWITCH}"),
        ("count", "0o17", "part.count='0o17': expected a whole number; write 15"),
        ("count", "-0b11", "part.count='-0b11': expected a whole number; write -3"),
        ("count", "0o99", "part.count='0o99': expected a whole number"),
        ("rate", "1e-3x", "part.rate='1e-3x': expected a number"),
        ("rate", False, f"part.rate=false: expected a number{SWITCH}"),
        ("rate", [1], "part.rate=[1]: expected a number"),
        ("word", 2024, f"part.word=2024: expected text{QUOTES}"),
        ("word", False, f"part.word=false: expected text{SWITCH}"),
        ("word", None, "part.word=null: expected text"),
        ("maybe", "x", "part.maybe='x': expected a number or null"),
        ("names", "a", "part.names='a': expected a list, each entry text or null"),
        ("names", ["a", True], f"part.names[1]=true: expected text{SWITCH}"),
        ("maybe", False, f"part.maybe=false: expected a number or null{SWITCH}"),
        ("either", 3, f"part.either=3: expected text or a list, each entry a number{QUOTES}"),
        (
            "every",
            45000,
            "part.every=45000: expected a number with a unit: 5ep (epochs), 500st (steps) or 5% (of the run)",
        ),
        ("milestones", [30], "part.milestones[0]=30: expected a number with a unit: 5ep (epochs), 500st (steps) or 5%"),
        ("count", -1, "part.count=-1: expected count >= 0; try 1"),
        ("rate", 10**400, f"part.rate={10**400}: expected a number"),
    ],
)
def test_wrong_values_are_one_line_with_the_key(key, value, message):
    with pytest.raises(ConfigError) as caught:
        fill(**{key: value})
    assert str(caught.value).startswith(message)
    assert str(caught.value).endswith(message.rpartition("; ")[2]) or key == "milestones"


def test_unknown_key_names_the_nearest():
    with pytest.raises(ConfigError) as caught:
        to_dataclass(Config, {**FINE, "rat": 1}, "part")
    assert str(caught.value).startswith("part.rat: unknown key, expected one of flag, count, rate")
    assert str(caught.value).endswith("did you mean 'rate'?")


def test_missing_key_says_what_belongs_there():
    values = {key: value for key, value in FINE.items() if key != "maybe"}
    with pytest.raises(ConfigError, match="^part.maybe: no value, expected a number or null$"):
        to_dataclass(Config, values, "part")


def test_choice_without_keys_says_so():
    @dataclass(frozen=True)
    class Empty:
        pass

    assert to_dataclass(Empty, {}, "tta") == Empty()
    with pytest.raises(ConfigError, match="^tta.x: unknown key, this choice has no keys$"):
        to_dataclass(Empty, {"x": 1}, "tta")


def test_keys_without_a_group_have_no_dot():
    @dataclass(frozen=True)
    class Top:
        seed: int

    with pytest.raises(ConfigError, match="^seed='a': expected a whole number$"):
        to_dataclass(Top, {"seed": "a"}, "")


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (int, "a whole number"),
        (bool | None, "true or false or null"),
        (tuple[int, ...], "a list, each entry a whole number"),
    ],
)
def test_describe(hint, words):
    assert describe(hint) == words

import pytest

from cvrun import errors
from cvrun.errors import (
    ConfigError,
    CvrunError,
    EndedElsewhereError,
    RuleError,
    did_you_mean,
    one_of,
    printable,
    require,
)

# Exit codes of the table in the README: 2 config, 3 data, 4 checkpoint, 5 diverged, 6 memory, 7 storage.
CODES = {
    "CvrunError": 1,
    "ConfigError": 2,
    "DataError": 3,
    "CheckpointError": 4,
    "DivergedError": 5,
    "OutOfMemoryError": 6,
    "StorageError": 7,
}


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_exit_codes(name, code):
    assert getattr(errors, name)("broken").exit_code == code


def test_every_error_for_the_user_is_in_the_table():
    found = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, CvrunError)}
    assert found == {*CODES, "EndedElsewhereError"}


def test_message_is_one_line_with_the_hint_behind_a_semicolon():
    assert str(ConfigError("a=1:\n  expected\ttwo", "do\nthis")) == "a=1: expected two; do this"
    assert str(ConfigError("a=1:\n  expected two")) == "a=1: expected two"


def test_rule_keeps_its_parts_for_the_door():
    with pytest.raises(RuleError, match="^lr=-1: expected lr > 0$") as caught:
        require(False, "lr", -1, "lr > 0", "try 0.1")
    error = caught.value
    assert (error.key, error.value, error.rule, error.hint) == ("lr", -1, "lr > 0", "try 0.1")


def test_kept_rule_says_nothing():
    require(True, "lr", 1, "lr > 0")
    one_of("mode", "min", ("max", "min"))


def test_choice_lists_the_choices_and_names_the_nearest():
    with pytest.raises(RuleError) as caught:
        one_of("mode", "maxx", (name for name in ("max", "min")))
    assert caught.value.rule == "one of max, min"
    assert caught.value.hint == "did you mean 'max'?"


@pytest.mark.parametrize(("word", "nearest"), [("optimiser", "optimizer"), ("dta", "data"), ("zzz", "")])
def test_did_you_mean(word, nearest):
    said = did_you_mean(word, ["optimizer", "data", "scheduler"])
    assert said == (f"did you mean '{nearest}'?" if nearest else "")


def test_did_you_mean_of_nothing():
    assert did_you_mean("x", []) == ""


def test_printable():
    assert printable("a b \u00fc \u6f22 \u00e9 \\") == "a b \u00fc \u6f22 \u00e9 \\"
    assert printable("\x00\x7f\n\u202e\ud800") == "\\x00\\x7f\\n\\u202e\\ud800"


def test_a_name_in_a_message_cannot_steer_a_terminal():
    assert (
        str(ConfigError("\x1b[31mred\x07.png: broken", "rename \x9b1m"))
        == "\\x1b[31mred\\x07.png: broken; rename \\x9b1m"
    )


def test_what_another_process_ended_with_keeps_its_code():
    error = EndedElsewhereError("b.png: cannot be decoded", 3)
    assert (str(error), error.exit_code) == ("b.png: cannot be decoded", 3)

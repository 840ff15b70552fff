import pytest

from cvrun.duration import parse, to_steps
from cvrun.errors import RuleError


def steps(text, steps_per_epoch=7, total_steps=70):
    return to_steps(text, key="eval_every", steps_per_epoch=steps_per_epoch, total_steps=total_steps)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("5ep", 35),
        ("1.5ep", 11),  # 10.5: halves go up
        ("0.2ep", 1),  # 1.4
        ("500st", 500),
        ("10%", 7),
        ("5%", 4),  # 3.5
        ("100%", 70),
        ("0ep", 0),
        ("0%", 0),
        ("0.01ep", 1),  # never rounded away
        ("0.1%", 1),
        (" 3 ep ", 21),
        ("007st", 7),
    ],
)
def test_steps(text, wanted):
    assert steps(text) == wanted


@pytest.mark.parametrize(
    "text",
    ["", "5", "ep", "-1ep", "+1ep", "1e3st", "5epochs", "5 %%", "5ep 3st", ".5ep", "5.ep", "1,5ep", "12:30:00", "nan%"],
)
def test_another_form_is_refused_with_the_three_units(text):
    with pytest.raises(RuleError) as caught:
        parse(text, "eval_every")
    assert caught.value.key == "eval_every"
    assert all(unit in caught.value.rule for unit in ("5ep", "500st", "5%"))


def test_digits_of_other_scripts_are_refused():
    with pytest.raises(RuleError):
        parse("\u0663ep", "warmup")


def test_a_fraction_of_a_step_is_refused():
    assert parse("2.0st", "warmup") == (2.0, "st")
    with pytest.raises(RuleError, match="whole number of steps"):
        parse("2.5st", "warmup")


@pytest.mark.parametrize("unit", ["ep", "st", "%"])
def test_a_number_without_end_is_refused(unit):
    """float() makes it infinite, and int() of that is not a user's error."""
    with pytest.raises(RuleError, match="up to 1e15"):
        parse("9" * 400 + unit, "warmup")


@pytest.mark.parametrize(("total", "wanted"), [(3, 1), (100, 5), (101, 5), (110, 6), (10**9, 5 * 10**7)])
def test_percent_is_of_the_run(total, wanted):
    assert steps("5%", total_steps=total) == wanted

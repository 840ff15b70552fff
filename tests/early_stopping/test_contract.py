import random
from typing import Any

import pytest
import yaml

from cvrun.early_stopping import Stopper
from cvrun.options import choices, load, module_names
from cvrun.typed import to_dataclass

CHOICES = choices("early_stopping")


def stopper_of(choice: str, mode: str = "max") -> Stopper:
    values: dict[str, Any] = yaml.safe_load(CHOICES[choice].read_text())
    module = load("early_stopping", values.pop("option"))
    stopper: Stopper = module.build(to_dataclass(module.Config, values, "early_stopping"), mode)
    return stopper


def test_every_module_has_a_yaml_and_every_yaml_a_module() -> None:
    options = {yaml.safe_load(path.read_text())["option"] for path in CHOICES.values()}
    assert options == set(module_names("early_stopping"))


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("mode", ["max", "min"])
def test_a_score_that_always_improves_never_stops(choice: str, mode: str) -> None:
    stopper = stopper_of(choice, mode)
    for epoch in range(1, 200):
        stopper.update(True, float(epoch if mode == "max" else -epoch), float(epoch))
        assert not stopper.stopped


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("at", [0, 1, 5, 11, 25])
def test_a_resumed_stopper_goes_on_as_if_nothing_had_happened(choice: str, at: int) -> None:
    judged = [random.Random(i).random() < 0.15 for i in range(60)]
    whole, first, second = (stopper_of(choice) for _ in range(3))
    for epoch, improved in enumerate(judged[:at], start=1):
        whole.update(improved, 0.5, epoch)
        first.update(improved, 0.5, epoch)
    second.load_state_dict(first.state_dict())
    for epoch, improved in enumerate(judged[at:], start=at + 1):
        assert second.stopped == whole.stopped
        whole.update(improved, 0.5, epoch)
        second.update(improved, 0.5, epoch)
        assert second.state_dict() == whole.state_dict()


@pytest.mark.parametrize("before", CHOICES)
@pytest.mark.parametrize("after", CHOICES)
def test_a_state_of_another_option_is_taken(before: str, after: str) -> None:
    first, second = stopper_of(before), stopper_of(after)
    for epoch in range(1, 200):
        first.update(False, 0.5, float(epoch))
    second.load_state_dict(first.state_dict())
    # 199 evaluations without improvement are over where they were counted and still are; otherwise nothing is.
    assert second.stopped == (before == after and first.stopped)
    second.update(True, 1.0, 200.0)
    assert not second.stopped

"""What holds for every task: found by listing the folder."""

import inspect

import pytest
import yaml

from cvrun import options
from cvrun.task import Task

CHOICES = options.choices("task")
METHODS = [name for name in vars(Task) if not name.startswith("_")]


def test_every_module_has_a_choice():
    assert {yaml.safe_load(path.read_text())["option"] for path in CHOICES.values()} == set(
        options.module_names("task")
    )


@pytest.mark.parametrize("name", CHOICES)
def test_a_task_has_the_five_methods_with_the_arguments_of_the_contract(name):
    node = yaml.safe_load(CHOICES[name].read_text())
    module = options.load("task", node.pop("option"))
    task = module.build(module.Config(**node), None, (), ())
    assert len(METHODS) == 5
    for method in METHODS:
        expected = list(inspect.signature(getattr(Task, method)).parameters)[1:]
        assert list(inspect.signature(getattr(task, method)).parameters) == expected


@pytest.mark.parametrize("name", CHOICES)
def test_build_takes_what_the_contract_says(name):
    module = options.load("task", yaml.safe_load(CHOICES[name].read_text())["option"])
    assert list(inspect.signature(module.build).parameters) == ["config", "loss", "metrics", "shift"]
    assert list(inspect.signature(module.prior_shift).parameters) == ["config", "natural", "shown"]

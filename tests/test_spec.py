import copy
import dataclasses
import re

import pytest

from cvrun import config
from cvrun.sections import MACHINE_KEYS
from cvrun.spec import run_id

BASE = config.compose([])
NOT_IN_THE_ID = {"name", *MACHINE_KEYS}


def with_value(instance, field, value):
    """A copy with one field set, whatever its rules say."""
    changed = copy.copy(instance)
    object.__setattr__(changed, field, value)
    return changed


def id_of(settings=BASE.settings, trainer=BASE.trainer, monitor=BASE.monitor, data=BASE.data, parts=BASE.parts):
    return run_id(settings, trainer, monitor, data, parts)


def fields(instance):
    return [field.name for field in dataclasses.fields(instance)]


def test_id_is_eight_hex_digits_and_the_same_every_time():
    assert re.fullmatch("[0-9a-f]{8}", BASE.id)
    assert config.compose([]).id == BASE.id == id_of()


@pytest.mark.parametrize("key", sorted(NOT_IN_THE_ID))
def test_id_does_not_depend_on_name_and_machine(key):
    assert id_of(settings=with_value(BASE.settings, key, "other")) == BASE.id


@pytest.mark.parametrize("key", [key for key in fields(BASE.settings) if key not in NOT_IN_THE_ID])
def test_id_depends_on_every_other_key_without_a_group(key):
    assert id_of(settings=with_value(BASE.settings, key, 12345)) != BASE.id


@pytest.mark.parametrize("key", fields(BASE.trainer))
def test_id_depends_on_every_key_of_the_trainer(key):
    assert id_of(trainer=with_value(BASE.trainer, key, "other")) != BASE.id


@pytest.mark.parametrize("key", fields(BASE.monitor))
def test_id_depends_on_every_key_of_the_monitor(key):
    assert id_of(monitor=with_value(BASE.monitor, key, "other")) != BASE.id


@pytest.mark.parametrize("key", fields(BASE.data))
def test_id_depends_on_every_key_that_all_sources_have(key):
    assert id_of(data=with_value(BASE.data, key, "other")) != BASE.id


@pytest.mark.parametrize(
    ("group", "key"), [(group, key) for group, choice in BASE.parts.items() for key in fields(choice.config)]
)
def test_id_depends_on_every_key_of_the_choices(group, key):
    choice = BASE.parts[group]
    changed = dataclasses.replace(choice, config=with_value(choice.config, key, "other"))
    assert id_of(parts={**BASE.parts, group: changed}) != BASE.id


@pytest.mark.parametrize("group", list(BASE.parts))
def test_id_depends_on_every_choice(group):
    changed = dataclasses.replace(BASE.parts[group], option="other")
    assert id_of(parts={**BASE.parts, group: changed}) != BASE.id


def test_id_does_not_depend_on_the_order_of_groups_and_on_loggers():
    assert id_of(parts=dict(reversed(BASE.parts.items()))) == BASE.id
    assert config.compose(["logger=csv"]).id == BASE.id


def test_id_takes_one_and_one_point_nought_for_the_same():
    ids = {config.compose([f"optimizer.lr={text}"]).id for text in ("1", "1.0", "1e0", "1.00")}
    assert len(ids) == 1
    assert len({config.compose([f"trainer.max_grad_norm={text}"]).id for text in ("1", "2")}) == 2


def test_id_takes_a_preset_and_its_values_for_the_same():
    assert config.compose(["optimizer=sgd_nesterov"]).id == config.compose(["optimizer.nesterov=true"]).id


def test_changes_leave_out_experiment_and_machine():
    said = ["+exp=digits", "seed=3", "workers=0", "++optimizer.lr=0.1", "device=cpu", "output_root=x", "rerun=true"]
    assert config.compose(said).changes == ("seed=3", "++optimizer.lr=0.1")

import dataclasses

import pytest

from cvrun import config, options
from cvrun.added import ADDED, before, completed
from cvrun.errors import ConfigError
from cvrun.sections import DataConfig, MonitorConfig, Settings, TrainerConfig
from cvrun.typed import to_dataclass

PLACES = {"": Settings, "trainer": TrainerConfig, "monitor": MonitorConfig, "data": DataConfig}


def test_keys_that_are_missing_get_their_value():
    found = completed({"seed": 3, "model": {"option": "convnet", "width": 4}, "data": {"option": "digits"}})
    assert found["model"] == {"option": "convnet", "width": 4, "weights": None, "head": "keep"}
    assert found["data"] == {"option": "digits", **ADDED["data"]}
    assert (found["seed"], found["skip_unreadable"], found["disk_full"]) == (3, 0.0, "stop")


def test_keys_that_are_there_stay():
    given = {"disk_full": "go_on", "model": {"option": "timm", "head": "remap", "weights": "a.pt"}}
    found = completed(given)
    assert found["disk_full"] == "go_on" and found["model"] == given["model"]
    assert list(found) == ["disk_full", "model", *(key for key in ADDED[""] if key != "disk_full")]


@pytest.mark.parametrize("node", [None, 3, "convnet", ["convnet"], {}, {"option": None}, {"option": ["convnet"]}])
def test_what_is_no_option_stays_as_it_is(node):
    assert completed({"model": node})["model"] == node


def test_a_key_counts_where_it_changes_something():
    assert before("model/timm", {"name": "a", "head": "keep"}) == {"name": "a"}
    assert before("model/timm", {"name": "a", "head": "reset"}) == {"name": "a", "head": "reset"}
    assert before("model/other", {"head": "keep"}) == {"head": "keep"}


@pytest.mark.parametrize("where", list(ADDED))
def test_every_entry_is_a_key_with_a_value_of_its_type(where):
    group, _, option = where.partition("/")
    cls = options.load(group, option).Config if option else PLACES[where]
    spec = config.compose([where.replace("/", "=")] if option else [])
    there = (
        spec.parts[group].config if option else {"": spec.settings, "trainer": spec.trainer, "data": spec.data}[where]
    )
    assert isinstance(there, cls)
    filled = to_dataclass(cls, {**dataclasses.asdict(there), **ADDED[where]}, where)
    assert {key: getattr(filled, key) for key in ADDED[where]} == ADDED[where]


def test_only_saved_runs_may_lack_a_key(tmp_path):
    text = config.compose([]).text
    path = tmp_path / "spec.yaml"
    path.write_text("".join(line for line in text.splitlines(True) if not line.startswith("disk_full")))
    assert config.saved(path).settings.disk_full == "stop"
    with pytest.raises(ConfigError, match="disk_full: no value"):
        config.compose(["~disk_full"])
    path.write_text("".join(line for line in text.splitlines(True) if not line.startswith("threads")))
    with pytest.raises(ConfigError, match="threads: no value"):
        config.saved(path)

from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from cvrun import options
from cvrun.errors import ConfigError, require
from cvrun.loss import cross_entropy


def test_groups_are_the_folders_of_configs():
    folders = {path.name for path in options.config_root().iterdir() if path.is_dir()}
    assert set(options.GROUPS) == folders - {"exp"}


def test_module_names_leave_out_what_is_shared():
    names = options.module_names("model")
    assert "convnet" in names and names == sorted(names)
    assert not [name for name in names if name.startswith("_")]


def test_choices_are_the_yaml_files():
    found = options.choices("optimizer")
    assert {"sgd", "sgd_nesterov"} <= set(found) and list(found) == sorted(found)
    assert all(path.is_file() and path.stem == name for name, path in found.items())


def test_choices_of_an_unknown_group_are_none():
    assert options.choices("optimiser") == {}


def test_load_gives_the_module():
    assert options.load("loss", "cross_entropy") is cross_entropy


@pytest.mark.parametrize("name", ["cross_entropi", "_shared", "../cli", "cross_entropy.py", "", "__init__"])
def test_load_imports_nothing_but_options(name):
    with pytest.raises(ConfigError, match=f"^loss.option={name}: expected one of .*cross_entropy"):
        options.load("loss", name)


def test_load_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'cross_entropy'"):
        options.load("loss", "cross_entropi")


def test_build_puts_the_group_before_a_broken_rule(monkeypatch):
    @dataclass(frozen=True)
    class Config:
        weight: int

    def build(config, number):
        require(config.weight < number, "weight", config.weight, f"weight < {number}", "lower it")
        return config.weight + number

    monkeypatch.setattr(options, "load", lambda group, name: SimpleNamespace(build=build))
    assert options.build("loss", "mine", Config(1), 2) == 3
    with pytest.raises(ConfigError, match="^loss.weight=5: expected weight < 2; lower it$"):
        options.build("loss", "mine", Config(5), 2)


def test_configs_in_a_wheel_come_first(tmp_path, monkeypatch):
    monkeypatch.setattr(options, "PACKAGE", tmp_path / "cvrun")
    find = options.config_root.__wrapped__
    with pytest.raises(ConfigError, match="configs are missing; install cvrun again"):
        find()
    for folder in (tmp_path / "configs", tmp_path / "cvrun" / "configs"):
        folder.mkdir(parents=True)
        (folder / "train.yaml").write_text("")
        assert find() == folder

"""An experiment's values for a group go when the command line takes another option of that group."""

import pytest
import yaml

from cvrun import config, options
from cvrun.cli import main
from cvrun.errors import ConfigError
from cvrun.typed import to_dataclass

DATA = "data.root=somewhere"


def experiments():
    return sorted(options.choices("exp"))


def packaged(group, choice):
    node = yaml.safe_load(options.choices(group)[choice].read_text())
    return to_dataclass(options.load(group, node.pop("option")).Config, node, group)


@pytest.mark.parametrize("experiment", experiments())
@pytest.mark.parametrize("group", [group for group in options.GROUPS if group != "logger"])
def test_every_group_of_every_experiment_can_be_swapped(experiment, group):
    as_it_is = config.compose([f"+exp={experiment}"]).parts[group]
    for choice in options.choices(group):
        spec = config.compose([f"+exp={experiment}", f"{group}={choice}"])
        if spec.parts[group].option != as_it_is.option:
            assert spec.parts[group].config == packaged(group, choice)


def test_the_same_choice_keeps_what_the_experiment_says():
    spec = config.compose(["+exp=digits", "split=holdout", "augment=basic"])
    assert spec.parts["split"].config.val == 0.2
    assert spec.parts["augment"].config.hflip == 0.0


def test_keys_of_the_command_line_stay():
    spec = config.compose(["+exp=digits", "optimizer=sgd", "optimizer.momentum=0.5", "trainer.epochs=3"])
    assert spec.parts["optimizer"].config.momentum == 0.5
    assert spec.parts["optimizer"].config.lr == packaged("optimizer", "sgd").lr
    assert spec.trainer.epochs == 3
    assert spec.trainer.batch_size == 64


def test_data_can_be_swapped_with_its_root():
    spec = config.compose(["+exp=blood_cells", "data=folder", DATA, "split.grouped=false"])
    assert spec.parts["data"].config.root == "somewhere"
    assert spec.parts["split"].config.val == 0.2


def test_without_an_experiment_nothing_is_changed():
    assert config.compose(["augment=basic", "augment.hflip=0.1"]).parts["augment"].config.hflip == 0.1


@pytest.mark.parametrize("group", ["optimizer", "augment"])
def test_a_group_that_is_taken_away_is_refused(group):
    with pytest.raises(ConfigError, match=group):
        config.compose(["+exp=digits", f"~{group}"])


def test_experiments_and_options_of_a_folder_of_ones_own(tmp_path, monkeypatch, capsys):
    (tmp_path / "mine" / "exp").mkdir(parents=True)
    (tmp_path / "mine" / "optimizer").mkdir()
    text = "# @package _global_\ndefaults:\n  - /exp/digits\n  - _self_\nname: steady\naugment:\n  vflip: 0.25\n"
    (tmp_path / "mine" / "exp" / "steady.yaml").write_text(text)
    sgd = options.choices("optimizer")["sgd"].read_text().replace("momentum: 0.9", "momentum: 0.7")
    (tmp_path / "mine" / "optimizer" / "own.yaml").write_text(sgd)
    spec = config.compose(["+exp=steady", "optimizer=own", "augment=none"], config_dir=tmp_path / "mine")
    assert spec.parts["optimizer"].config.momentum == 0.7
    assert spec.parts["augment"].option == "none"
    monkeypatch.chdir(tmp_path)
    for flags in (["--config-dir", "mine"], [f"hydra.searchpath=[file://{tmp_path}/mine]"]):
        for more in ([], ["optimizer=own"], ["augment=none"]):
            assert main(["check", *flags, "+exp=steady", *more]) == 0, capsys.readouterr().err
            assert "outputs/steady/" in capsys.readouterr().out


def test_a_sweep_over_options_of_an_experiment(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["check", "-m", "+exp=digits", "augment=none,basic", "optimizer=sgd,adamw"]) == 0
    out = capsys.readouterr().out
    assert out.count("augment none") == out.count("augment basic") == 2
    assert out.count("adamw, lr 0.001") == 2

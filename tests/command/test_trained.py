"""A model out of a run: the weights, and what must travel with them."""

import pytest
import torch

from cvrun import config
from cvrun.command._trained import load_trained
from cvrun.errors import CheckpointError, ConfigError
from cvrun.folder import RunFolder
from cvrun.trainer import checkpoint


def trained(run, which="best", tta=None):
    folder = RunFolder(run)
    return load_trained(config.load(folder.spec, []), folder.checkpoints, which, tta, pytest.fail)


def test_the_best_weights_come_with_normalization_classes_and_form(finished):
    found = trained(finished)
    saved = checkpoint.read(checkpoint.commits(RunFolder(finished).checkpoints, "best")[0])
    assert found.step == saved["step"]
    for name, value in found.model.state_dict().items():
        assert torch.equal(value, saved["model"][name])
    assert found.classes == tuple("0123456789")
    assert (found.form.size, found.form.channels) == (8, 1)
    assert found.normalize.state() == saved["meta"]["normalization"]
    assert not found.model.training
    assert not found.tta


def test_the_last_weights_are_those_of_the_last_step(finished):
    assert trained(finished, "last").step == 12


def test_views_can_be_chosen_anew(finished):
    assert len(trained(finished, tta="d4").tta.views) == 8
    with pytest.raises(ConfigError, match="--tta hflop: expected one of .*did you mean 'hflip'"):
        trained(finished, tta="hflop")


def test_a_run_without_a_checkpoint_has_no_model(finished):
    for path in RunFolder(finished).checkpoints.iterdir():
        path.rename(finished / path.name)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        trained(finished)

"""A model out of a run: the weights, and what must travel with them."""

import json
import shutil

import pytest
import torch
import yaml

from cvrun import config, tensorfile
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
    meta = saved["meta"]
    assert {**found.normalize.state(), "split": meta["split_fingerprint"]} == meta["normalization"]
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


def changed(run, kind, change):
    """Write a commit anew, with good hashes, as somebody would who has changed what it says about its run."""
    (path,) = checkpoint.commits(RunFolder(run).checkpoints, kind)[:1]
    content = checkpoint.read(path)
    content["meta"] |= change(content["meta"])
    if kind == "best":
        shutil.rmtree(path)
        checkpoint.write_best(path.parent, content["step"], content["score"], content["meta"], content["model"])
    else:
        shutil.rmtree(path)
        kept = {name: content[name] for name in ("meta", "rng_scheme", "state")}
        checkpoint.write_state(path.parent, checkpoint.step_of(path), kept)


@pytest.mark.parametrize(("kind", "which"), [("best", "best"), ("step", "last")])
@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"mean": [float("nan")]}, "mean holds nan, expected finite numbers"),
        ({"std": [0.0]}, "std holds 0.0, expected numbers > 0"),
        ({"mean": [0.1, 0.2, 0.3]}, "mean has 3 numbers, expected 1, one a channel"),
        ({"kind": "log2"}, "its kind is 'log2', expected one of affine"),
        ({"split": "0" * 64}, "its normalization was fitted on split 0{64}, expected [0-9a-f]{64}"),
    ],
)
def test_b6_a_normalization_that_cannot_be_the_runs_own_is_refused(finished, call, kind, which, state, message):
    changed(finished, kind, lambda meta: {"normalization": {**meta["normalization"], **state}})
    with pytest.raises(CheckpointError, match=message):
        trained(finished, which)
    for words in (("eval", finished), ("predict", finished, finished / "none.png")):
        (finished / "none.png").touch()
        said = call(*words, "--checkpoint", which)
        assert said.code == 4 and len(said.err.splitlines()) == 1 and "its normalization" in said.err


def test_a_checkpoint_without_a_normalization_is_refused(finished):
    changed(finished, "best", lambda meta: {"normalization": None})
    with pytest.raises(CheckpointError, match="its normalization cannot be used: it is None"):
        trained(finished)


def test_a_normalization_of_before_kinds_and_splits_still_serves(finished):
    def older(meta):
        return {"normalization": {name: meta["normalization"][name] for name in ("mean", "std")}}

    before = trained(finished).normalize
    changed(finished, "best", older)
    assert trained(finished).normalize == before


def test_b6_weights_that_are_given_away_name_normalization_and_split(finished):
    path = checkpoint.commits(RunFolder(finished).checkpoints, "best")[0]
    _, named = tensorfile.read_safetensors((path / checkpoint.WEIGHTS).read_bytes(), "x")
    about = json.loads(named["normalization"])
    assert about["split"] == yaml.safe_load((finished / "plan.yaml").read_text())["data"]["split_fingerprint"]
    assert about["kind"] == "affine" and len(about["mean"]) == len(about["std"]) == 1

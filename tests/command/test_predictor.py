"""What predicts: a run or an ensemble, told apart by what the folder holds."""

import argparse

import numpy as np
import pytest

from cvrun.command._predictor import predictor
from cvrun.errors import CheckpointError, ConfigError
from cvrun.warned import Warned


def given(run, **more):
    return argparse.Namespace(**{"run": run, "set": [], "checkpoint": "best", "tta": None, "decision": True, **more})


def test_a_run_is_one_model_whose_probabilities_stay(finished):
    found = predictor(given(finished), Warned())
    probabilities = np.array([[0.25, 0.75]], np.float32)
    assert len(found.models) == 1 and found.merge([probabilities]) is probabilities and found.decision is None
    assert found.classes == tuple("0123456789") and found.name == f"{finished.name} at step 12"


def test_a_strict_run_makes_the_command_strict(finished):
    warned = Warned()
    predictor(given(finished), warned)
    assert not warned.strict
    predictor(given(finished, set=["strict_warnings=true"]), warned)
    assert warned.strict


def test_a_folder_that_is_neither_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no spec.yaml"):
        predictor(given(tmp_path), Warned())
    (tmp_path / "ensemble.json").write_text("{}")
    with pytest.raises(CheckpointError, match="expected what cvrun ensemble writes"):
        predictor(given(tmp_path), Warned())

"""The runs of an ensemble: matched by the names of images, refused where that cannot be."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from cvrun.audit.suspects import Predicted
from cvrun.command import _members
from cvrun.command._members import members, predictions, together
from cvrun.command._trained import load_trained
from cvrun.config import load
from cvrun.errors import CheckpointError, ConfigError, DataError
from cvrun.folder import RunFolder
from cvrun.trainer.digest import digest
from cvrun.yamlfile import load_yaml


def predicted(name, ids="abc", labels=(0, 1, 1), classes=("cat", "dog"), first=(0.9, 0.2, 0.4)) -> Predicted:
    share = np.array(first)
    probabilities = np.stack([share, 1 - share], axis=1)
    return Predicted(Path(name), list(ids), np.array(labels), probabilities, list(classes))


def test_rows_come_in_the_order_of_the_first():
    found = together([predicted("a"), predicted("b", ids="cab", labels=(1, 0, 1), first=(0.3, 0.8, 0.1))], "")
    assert found.ids == ["a", "b", "c"] and found.targets.tolist() == [0, 1, 1] and found.classes == ("cat", "dog")
    assert found.probabilities[1][:, 0].tolist() == pytest.approx([0.8, 0.1, 0.3])
    assert {each.dtype for each in found.probabilities} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"ids": "abd"}, "b: has 3 images, 2 of them among the 3 of a, expected the same images; a hint"),
        ({"ids": "ab", "labels": (0, 1), "first": (0.5, 0.5)}, "b: has 2 images, 2 of them among the 3 of a"),
        ({"ids": "abcd", "labels": (0, 1, 1, 1), "first": (0.5,) * 4}, "b: has 4 images, 3 of them among the 3"),
        ({"labels": (0, 1, 0)}, "b: 'c' is cat, in a it is dog, expected one label"),
        ({"classes": ("dog", "cat")}, "b: classes dog, cat, expected those of a"),
    ],
)
def test_what_does_not_belong_together_is_refused(other, said):
    with pytest.raises(DataError) as error:
        together([predicted("a"), predicted("b", **other)], "a hint")
    assert str(error.value).startswith(said)


def test_a_member_is_known_by_the_content_of_its_weights(finished, tmp_path):
    with pytest.raises(ConfigError, match="one run is no ensemble"):
        members([finished])
    copied = tmp_path / "copied"
    finished.rename(tmp_path / "one")
    shutil.copytree(tmp_path / "one", copied)
    with pytest.raises(ConfigError, match="has the weights of"):
        members([tmp_path / "one", copied])


def test_weights_are_those_that_the_model_has(finished):
    one = _members._member(RunFolder(finished))
    spec = load(finished / "spec.yaml", [])
    trained = load_trained(spec, finished / "checkpoints", "best", None, print)
    assert one.weights == digest(trained.model.state_dict())
    assert (one.run_id, one.step) == (spec.id, trained.step) and one.name == f"run/{finished.name}"
    data = load_yaml(finished / "plan.yaml")["data"]
    assert one.fingerprints == {"data": data["data_fingerprint"], "split": data["split_fingerprint"]}
    (finished / "plan.yaml").write_text("data: [")
    assert _members._member(RunFolder(finished)).fingerprints == {}
    (finished / "plan.yaml").write_text("data: {groups: {val: 3, test: 0}}")
    assert _members._member(RunFolder(finished)).grouped == ("val",)
    status = json.loads((finished / "status.json").read_text())
    (finished / "status.json").write_text(json.dumps({**status, "best_step": 1}))
    with pytest.raises(CheckpointError):
        _members._member(RunFolder(finished))


def test_predictions_of_other_weights_than_the_best_are_refused(call, finished):
    """As those of a test set that was opened before the run was trained further."""
    assert call("test", finished, "--unseal").code == 0
    assert len(predictions(RunFolder(finished), "test").ids) == 180
    status = json.loads((finished / "status.json").read_text())
    (finished / "status.json").write_text(json.dumps({**status, "best_step": 171}))
    for name in ("val", "test"):
        with pytest.raises(
            DataError, match=rf"{name}.npz: is of the weights of step \d+, the best ones are .* step 171"
        ):
            predictions(RunFolder(finished), name)
    said = call("compare", finished, finished, "--part", "test")
    assert (said.code, said.out) == (3, "") and "cvrun test RUN --unseal writes them" in said.err


def test_saved_predictions_are_probabilities(finished):
    one = _members._member(RunFolder(finished))
    assert len(predictions(one.folder, "val").ids) == 180
    with pytest.raises(DataError, match="cvrun test RUN --unseal writes them, where the run has test-time"):
        predictions(one.folder, "test-tta")
    (finished / "predictions" / "val.npz").write_bytes(b"PK no file")
    with pytest.raises(DataError, match="damaged"):
        predictions(one.folder, "val")

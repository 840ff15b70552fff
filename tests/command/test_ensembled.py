"""What an ensemble is measured by, and against which run."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss

from cvrun.audit.suspects import Predicted
from cvrun.command import _ensembled
from cvrun.command._ensembled import Wanted, differences, ensembled
from cvrun.command._members import Member
from cvrun.errors import ConfigError, DataError
from cvrun.folder import RunFolder

IMAGES = 400


@pytest.fixture
def runs(monkeypatch):
    """Three runs of two classes: the first and the second are each good on one half, the third is bad."""
    random = np.random.default_rng(0)
    kept = {}
    for part in ("val", "test"):
        targets = random.integers(0, 2, IMAGES)
        for run, skill in zip("abc", ((3, 0), (0, 2), (-1, -1)), strict=True):
            shift = np.where(np.arange(IMAGES) % 2 == 0, *skill)
            logits = shift * (2 * targets - 1) + random.standard_normal(IMAGES)
            second = (1 / (1 + np.exp(-logits))).astype(np.float32).astype(np.float64)
            probabilities = np.stack([1 - second, second], axis=1)
            ids = [f"{part}{i}" for i in range(IMAGES)]
            kept[run, part] = Predicted(Path(run), ids, targets, probabilities, ["cat", "dog"])
    monkeypatch.setattr(_ensembled, "predictions", lambda folder, name: kept[folder.path.name, name])
    found = [Member(RunFolder(Path(f"/{name}")), name, name, 1, name, {}, ()) for name in "abc"]
    return found, kept


def test_the_best_run_is_the_one_of_val_also_on_test(runs):
    members, kept = runs
    # On test the third run is the best one; nobody knows that yet.
    right = np.eye(2)[kept["c", "test"].labels] * 0.98 + 0.01
    object.__setattr__(kept["c", "test"], "probabilities", right)
    found = ensembled(members, Wanted("mean", "test", False, "accuracy"))
    val = [accuracy_score(kept[run, "val"].labels, kept[run, "val"].probabilities.argmax(axis=1)) for run in "abc"]
    assert found.best == int(np.argmax(val)) != 2 and found.scores == pytest.approx(val)


GAPS = {
    "loss": lambda y, p: -np.log(p[np.arange(len(y)), y]),
    "brier": lambda y, p: (p[:, 1] - y) ** 2,
    "accuracy": lambda y, p: (p.argmax(axis=1) == y).astype(float),
}


@pytest.mark.parametrize("merge", ["mean", "greedy"])
def test_differences_are_those_of_scikit_learn(runs, merge):
    members, kept = runs
    found = ensembled(members, Wanted(merge, "val", False, "loss"))
    targets = kept["a", "val"].labels
    best = kept["abc"[found.best], "val"].probabilities
    here = found.prediction.probabilities.astype(np.float64)
    rows = {row["metric"]: row for row in differences(found)}
    assert list(rows) == ["accuracy", "brier", "ece", "loss"]
    for name, function in (
        ("loss", lambda y, p: log_loss(y, p / p.sum(axis=1, keepdims=True))),
        ("brier", lambda y, p: brier_score_loss(y, p[:, 1])),
        ("accuracy", lambda y, p: accuracy_score(y, p.argmax(axis=1))),
    ):
        want = function(targets, here) - function(targets, best)
        assert rows[name]["difference"] == pytest.approx(want, abs=1e-6)
        # Both are means over images, so that the bootstrap comes close to the normal interval of paired differences.
        gaps = GAPS[name](targets, here) - GAPS[name](targets, best)
        half = 1.96 * gaps.std() / np.sqrt(len(gaps))
        assert (rows[name]["low"], rows[name]["high"]) == pytest.approx((want - half, want + half), abs=0.2 * half)
        assert rows[name]["low"] < want < rows[name]["high"] and rows[name]["undefined"] == 0
        better = want > 0 if name == "accuracy" else want < 0
        shown = rows[name]["low"] > 0 or rows[name]["high"] < 0
        assert rows[name]["verdict"] == (("better" if better else "worse") if shown else "no difference shown")
    assert (found.selected is None) == (merge == "mean")
    if merge == "greedy":
        assert found.selected.picks.tolist()[2] == 0 and min(found.selected.picks.tolist()[:2]) > 0
        assert rows["loss"]["verdict"] == "better"


def test_a_metric_that_does_not_exist_or_is_undefined_is_refused(runs):
    members, kept = runs
    with pytest.raises(ConfigError, match="--metric aucc: expected one of accuracy, .*; did you mean 'mcc'"):
        ensembled(members, Wanted("mean", "val", False, "aucc"))
    for run in "abc":
        kept[run, "val"].labels[:] = 0
    with pytest.raises(DataError, match="--metric roc_auc: undefined on the val images of every run"):
        ensembled(members, Wanted("greedy", "val", False, "roc_auc"))


def test_a_run_that_is_the_whole_ensemble_does_not_differ_from_itself(runs):
    members, kept = runs
    right = np.eye(2)[kept["b", "val"].labels] * 0.98 + 0.01
    object.__setattr__(kept["b", "val"], "probabilities", right)
    found = ensembled(members, Wanted("greedy", "val", False, "loss"))
    assert found.selected.picks.tolist() == [0, 1, 0] and found.best == 1 and len(found.ensemble.used) == 1
    for row in differences(found):
        assert (row["difference"], row["low"], row["high"], row["verdict"]) == (0, 0, 0, "no difference shown")


def test_images_of_a_group_count_as_one_case(runs, tmp_path):
    members, kept = runs
    rows = np.repeat(np.arange(100), 4)
    for run in "abc":
        one = kept[run, "val"]
        object.__setattr__(one, "probabilities", one.probabilities[rows])
        object.__setattr__(one, "labels", one.labels[rows])
    lines = [f"val{i},val,cat,slide{i // 4},\n" for i in range(IMAGES)]
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "data.csv").write_text("id,part,label,group,content\n" + "".join(lines))
    wanted = Wanted("mean", "val", False, "loss")
    apart = ensembled(members, wanted)
    found = ensembled([replace(members[0], folder=RunFolder(tmp_path / "a")), *members[1:]], wanted)
    assert (apart.units, found.units) == (400, 100)
    targets, here = found.together.targets, found.prediction.probabilities.astype(np.float64)
    best = found.together.probabilities[found.best].astype(np.float64)
    gaps = GAPS["loss"](targets, here) - GAPS["loss"](targets, best)
    half = 1.96 * gaps.std() / np.sqrt(100)
    row, other = (next(row for row in differences(one) if row["metric"] == "loss") for one in (found, apart))
    assert (row["high"] - row["low"]) / 2 == pytest.approx(half, rel=0.1)
    assert (other["high"] - other["low"]) / 2 == pytest.approx(half / 2, rel=0.1)

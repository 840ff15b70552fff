import json

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss

from cvrun.command._picking import with_picking
from cvrun.report.picking import picked
from cvrun.report.sweep import read_sweep
from tests.report.test_sweep import write

UNITS = 300


def predict(path, right, order=None, metric="val/accuracy", ids=None):
    """Predictions of three classes that are right where they should be, and their score in status.json."""
    random = np.random.default_rng(0)
    targets = random.integers(0, 3, len(right))
    labels = np.where(right, targets, (targets + 1) % 3)
    probabilities = np.full((len(right), 3), 0.1, np.float32)
    probabilities[np.arange(len(right)), labels] = 0.8
    order = np.arange(len(right)) if order is None else order
    names = np.array([f"{i:04d}" for i in range(len(right))]) if ids is None else ids
    (path / "predictions").mkdir()
    values = {"probabilities": probabilities[order], "targets": targets[order], "ids": names[order]}
    np.savez(path / "predictions" / "val.npz", classes=np.array(list("abc")), **values)
    score = accuracy_score(targets, labels) if metric == "val/accuracy" else log_loss(targets, probabilities)
    (path / "status.json").write_text(json.dumps({"state": "finished", "monitor": metric, "score": float(score)}))


@pytest.fixture
def sweep(tmp_path):
    """Four runs of equally good models, in the folder that is given back."""
    random = np.random.default_rng(5)
    for i in range(4):
        predict(write(tmp_path, f"r{i}", 0, lr=i), random.random(UNITS) < 0.8, random.permutation(UNITS))
    return tmp_path


def test_the_best_score_of_equal_runs_is_found_too_good(sweep):
    found = with_picking(read_sweep(sweep))
    assert found.picking is not None and (found.picking.models, found.picking.units) == (4, UNITS)
    assert found.picking.score == pytest.approx(read_sweep(sweep).ranked[0].score)
    # Four shares of 300 images at .8: the largest is 1.03 * sqrt(.8 * .2 / 300) = .024 above .8 in the mean.
    assert 0 < found.picking.optimism < 0.06
    assert found.picking.expected == pytest.approx(found.picking.score - found.picking.optimism)
    (line,) = picked(found)
    assert f"too good by {found.picking.optimism:.4f} (optimism): {found.picking.expected:.4f} is what" in line
    assert "the predictions of all" in line


def test_the_order_of_the_images_in_the_files_does_not_matter(tmp_path):
    random = np.random.default_rng(1)
    rights = [random.random(UNITS) < 0.8 for _ in range(3)]
    for name, order in (("a", None), ("b", random.permutation(UNITS))):
        # The best run gives the order of the images, so it keeps its own.
        best = int(np.argmax([right.sum() for right in rights]))
        for i, right in enumerate(rights):
            predict(write(tmp_path / name, f"r{i}", 0, lr=i), right, None if i == best else order)
    first, second = (with_picking(read_sweep(tmp_path / name)).picking for name in "ab")
    assert first == second is not None


def test_what_cannot_be_compared_is_left_out(sweep):
    best = read_sweep(sweep).ranked[0].facts["path"]
    others = [sweep / "exp" / f"r{i}" for i in range(4) if not best.endswith(f"r{i}")]
    (others[0] / "predictions" / "val.npz").write_bytes(b"PK")
    (others[1] / "predictions" / "val.npz").unlink()
    predict_again = np.load(others[2] / "predictions" / "val.npz")
    content = {**predict_again, "targets": (predict_again["targets"] + 1) % 3}
    right = np.random.default_rng(9).random(UNITS) < 0.7
    predict(write(sweep, "r9", 0, lr=9), right)
    found = with_picking(read_sweep(sweep))
    assert found.picking is not None and found.picking.models == 3
    assert "the predictions of 3 of them" in picked(found)[0]
    np.savez(others[2] / "predictions" / "val.npz", **content)
    assert with_picking(read_sweep(sweep)).picking.models == 2


def test_predictions_that_do_not_give_the_score_of_the_run_are_left_out(sweep):
    (sweep / "exp" / "r0" / "status.json").write_text(
        json.dumps({"state": "finished", "monitor": "val/accuracy", "score": 0.123})
    )
    assert with_picking(read_sweep(sweep)).picking.models == 3


def test_other_images_or_no_predictions_say_why_nothing_is_known(tmp_path):
    names = np.array([f"x{i}" for i in range(UNITS)])
    predict(write(tmp_path, "a", 0, lr=1), np.arange(UNITS) % 5 > 0)
    predict(write(tmp_path, "b", 0, lr=2), np.arange(UNITS) % 4 > 0, ids=names)
    found = with_picking(read_sweep(tmp_path))
    assert found.picking is None and "no other run has predictions" in picked(found)[0]
    (tmp_path / "exp" / "a" / "predictions" / "val.npz").unlink()
    assert "the best run has no predictions that can be read" in picked(with_picking(read_sweep(tmp_path)))[0]


def test_a_loss_is_too_low(tmp_path):
    random = np.random.default_rng(2)
    for i in range(6):
        path = write(tmp_path, f"r{i}", 0, mode="min", lr=i)
        predict(path, random.random(UNITS) < 0.8, metric="val/loss")
    found = with_picking(read_sweep(tmp_path)).picking
    assert found is not None and found.optimism > 0 and found.expected > found.score


def test_a_single_run_was_picked_from_nothing(tmp_path):
    write(tmp_path, "a", 0.5, lr=1)
    found = with_picking(read_sweep(tmp_path))
    assert found.picking is None and picked(found) == []


def test_images_of_a_group_are_resampled_together(tmp_path):
    right = np.repeat(np.random.default_rng(3).random((5, 15)) < 0.8, 20, axis=1)
    for i, row in enumerate(right):
        predict(write(tmp_path, f"r{i}", 0, lr=i), row)
    alone = with_picking(read_sweep(tmp_path)).picking
    for path in tmp_path.glob("exp/*"):
        lines = "".join(f"{i:04d},val,g{i // 20}\n" for i in range(UNITS))
        (path / "data.csv").write_text("id,part,group\n" + lines)
    grouped = with_picking(read_sweep(tmp_path)).picking
    # 15 groups whose images are alike: as 15 images, so the pick is much more a matter of luck.
    assert grouped.optimism > 0.02 and abs(alone.optimism) < 0.01


def test_runs_and_report_say_it(sweep, call, tmp_path):
    line = picked(with_picking(read_sweep(sweep)))[0]
    assert f" {line}\n" in call("runs", sweep).out
    assert call("report", sweep).code == 0
    assert line in (sweep / "report.html").read_text()
    found = json.loads(call("report", sweep, "--format", "json").out)["picking"]
    assert (found["models"], found["units"], found["undefined"]) == (4, UNITS, 0)
    assert "(optimism)" in call("report", sweep, "--format", "md").out

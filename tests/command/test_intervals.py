"""How sure metrics are: against closed forms, over groups, and what eval prints and saves."""

import json
import math

import numpy as np
import pytest
from PIL import Image

from cvrun.command import _intervals
from cvrun.command._intervals import clusters_of, saved_clusters, too_slow, uncertainty
from cvrun.errors import ConfigError
from cvrun.folder import RunFolder
from cvrun.interval import rate, wilson
from cvrun.metric import Metric, Prediction, accuracy, brier, macro_f1, roc_auc
from cvrun.report.summary import sure

MEASURED = tuple(
    Metric(module.__name__.rpartition(".")[2], module.MODE, module.values)
    for module in (accuracy, brier, macro_f1, roc_auc)
)


def two_classes(num: int, seed: int = 0) -> Prediction:
    generator = np.random.default_rng(seed)
    targets = generator.integers(0, 2, num)
    ill = np.clip(0.5 + 0.2 * (2 * targets - 1) + generator.normal(0, 0.25, num), 0.01, 0.99)
    return Prediction(np.stack([1 - ill, ill], axis=1).astype(np.float32), targets)


def test_groups_become_numbers_and_what_is_in_none_is_alone():
    assert clusters_of(None) is None
    assert clusters_of(["a", "b", "c"]) is None
    assert clusters_of(["", "", "b"]) is None
    assert clusters_of(["b", "a", "b", "", "a", ""]).tolist() == [0, 1, 0, 2, 1, 3]


def test_m9_accuracy_has_wilsons_interval_and_a_mean_that_of_its_standard_error():
    prediction = two_classes(400)
    found = uncertainty(prediction, MEASURED, None, 4000)
    right = prediction.labels == prediction.targets
    assert found["intervals"]["accuracy"] == list(wilson(int(right.sum()), 400))
    # Brier's score of two classes is a mean over images, for which the normal interval is good at 400.
    each = (prediction.probabilities[:, 1].astype(float) - prediction.targets) ** 2
    half = 1.959964 * each.std() / 20
    low, high = found["intervals"]["brier"]
    assert (low, high) == pytest.approx((each.mean() - half, each.mean() + half), abs=0.1 * half)
    how = {
        "confidence": 0.95,
        "unit": "image",
        "units": 400,
        "resamples": 4000,
        "undefined": {},
        "percentile": [],
        "slow": [],
    }
    assert found["uncertainty"] == how


def test_m10_over_groups_the_intervals_are_those_of_so_many_groups():
    """Each image eight times: as sure as without the copies, and not sqrt(8) times surer."""
    alone = two_classes(100)
    eight = Prediction(np.repeat(alone.probabilities, 8, axis=0), np.repeat(alone.targets, 8))
    groups = np.repeat(np.arange(100), 8)
    apart = uncertainty(alone, MEASURED, None, 4000)["intervals"]
    grouped = uncertainty(eight, MEASURED, groups, 4000)
    assert (grouped["uncertainty"]["unit"], grouped["uncertainty"]["units"]) == ("group", 100)
    naive = uncertainty(eight, MEASURED, None, 4000)["intervals"]
    for name, (low, high) in apart.items():
        width = grouped["intervals"][name][1] - grouped["intervals"][name][0]
        assert width == pytest.approx(high - low, rel=0.1)
        assert naive[name][1] - naive[name][0] < 0.5 * width
    right = eight.labels == eight.targets
    assert grouped["intervals"]["accuracy"] == list(rate(right, np.ones(800, bool), groups))


def test_nothing_is_said_where_the_images_do_not_show_it():
    perfect = Prediction(np.eye(2, dtype=np.float32)[[0, 1] * 20], np.array([0, 1] * 20))
    found = uncertainty(perfect, MEASURED, None, 500)["intervals"]
    assert found == {"accuracy": list(wilson(40, 40)), "brier": None, "macro_f1": None, "roc_auc": None}
    one_class = Prediction(two_classes(30).probabilities, np.zeros(30, np.int64))
    found = uncertainty(one_class, MEASURED, None, 500)
    assert found["intervals"]["roc_auc"] is None and found["uncertainty"]["undefined"]["roc_auc"] == 500
    without = uncertainty(two_classes(30), MEASURED, None, 0)
    assert [name for name, ends in without["intervals"].items() if ends] == ["accuracy"]
    nan = Metric("nan", "max", lambda prediction, weights: np.where(weights[:, 0] == 1, math.nan, weights[:, 0]))
    assert uncertainty(two_classes(30), (nan,), None, 500)["intervals"] == {"nan": None}


def test_what_would_take_minutes_is_left_out_and_named(monkeypatch):
    assert not too_slow("roc_auc", 10_000, 10, 2000) and not too_slow("loss", 10**6, 1000, 2000)
    assert too_slow("roc_auc", 50_000, 100, 2000) and not too_slow("roc_auc", 50_000, 100, 200)
    monkeypatch.setattr(_intervals, "_MOST_RANKED", 100 * 2 * 500 - 1)
    found = uncertainty(two_classes(100), MEASURED, None, 500)
    assert found["intervals"]["roc_auc"] is None and found["intervals"]["brier"] is not None
    assert found["uncertainty"]["slow"] == ["roc_auc"]
    assert "of roc_auc none, it would take minutes; fewer --resamples give them" in sure(found["uncertainty"])


@pytest.fixture(scope="module")
def grouped(tmp_path_factory):
    """Twelve patients of five images, as in a hospital: patient and number in the name."""
    folder = tmp_path_factory.mktemp("grouped")
    generator = np.random.default_rng(0)
    for patient in range(24):
        kind = "ill" if patient % 2 else "well"
        (folder / kind).mkdir(exist_ok=True)
        for number in range(5):
            pixels = generator.integers(0, 256, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / kind / f"p{patient:02}_{number}.png")
    return folder


@pytest.fixture
def run_of_groups(grouped, call, tmp_path):
    words = ["name=groups", "data=folder", f"data.root={grouped}", "data.size=8", "data.group_pattern='(p\\d+)_'"]
    words += [
        "split.grouped=true",
        "model=convnet",
        "trainer.epochs=1",
        "trainer.batch_size=8",
        f"output_root={tmp_path / 'outputs'}",
    ]
    assert call("train", *words).code == 0
    (folder,) = (tmp_path / "outputs" / "groups").glob("*/spec.yaml")
    return folder.parent


def test_eval_prints_and_saves_intervals_over_groups_and_warns_of_few(call, run_of_groups):
    said = call("eval", run_of_groups, "--resamples", "200").out
    saved = json.loads((run_of_groups / "predictions" / "val.json").read_text())
    groups = saved["uncertainty"]["units"]
    assert saved["uncertainty"]["unit"] == "group" and 2 <= groups < 12
    assert f"95% intervals over {groups} groups: of accuracy Wilson's, of the others BCa from 200 resamples\n" in said
    assert f"warning: {groups} groups, fewer than 50: the intervals are probably too narrow\n" in said
    low, high = saved["intervals"]["accuracy"]
    assert f"{low:.4f} to {high:.4f}\n" in said
    file = np.load(run_of_groups / "predictions" / "val.npz")
    clusters = saved_clusters(RunFolder(run_of_groups), file["ids"].tolist())
    assert clusters.max() + 1 == groups
    right = file["probabilities"].argmax(axis=1) == file["targets"]
    assert (low, high) == rate(right, np.ones_like(right), clusters)
    document = json.loads(call("eval", run_of_groups, "--resamples", "0", "--json").out)
    assert document["intervals"]["accuracy"] == [low, high] and document["intervals"]["loss"] is None
    assert document["uncertainty"]["resamples"] == 0


def test_with_augmentation_both_have_intervals(call, run_of_groups):
    said = call("eval", run_of_groups, "--tta", "hflip", "--resamples", "100").out
    (line,) = (line for line in said.splitlines() if line.startswith("metric"))
    assert line.split() == ["metric", "value", "95%", "interval", "with", "tta", "95%", "interval"]
    document = json.loads(call("eval", run_of_groups, "--tta", "hflip", "--resamples", "100", "--json").out)
    saved = json.loads((run_of_groups / "predictions" / "val-hflip.json").read_text())
    assert document["tta_intervals"] == saved["intervals"] != document["intervals"]


@pytest.mark.parametrize("word", ["-1", "x", "99", "1000001", "1e3"])
def test_resamples_are_a_number_that_says_something(call, run_of_groups, word):
    said = call("eval", run_of_groups, f"--resamples={word}")
    assert (said.code, said.out) == (ConfigError.exit_code, "")
    assert f"--resamples {word}: expected 0, or a number from 100 to 1,000,000" in said.err


def test_groups_of_test_images_are_kept_when_the_test_set_is_opened(call, run_of_groups):
    folder = RunFolder(run_of_groups)
    names = ["p00_0.png"]
    assert saved_clusters(folder, names, "test") is None
    document = json.loads(call("test", run_of_groups, "--unseal", "--resamples", "100", "--json").out)
    ids = np.load(folder.predictions / "test.npz")["ids"].tolist()
    clusters = saved_clusters(folder, ids, "test")
    assert document["uncertainty"]["unit"] == "group" and clusters.max() + 1 == document["uncertainty"]["units"]
    patients = [name.rpartition("/")[2][:3] for name in ids]
    assert len(set(zip(patients, clusters.tolist(), strict=True))) == len(set(patients)) == clusters.max() + 1


def test_a_list_that_is_missing_or_damaged_knows_no_groups(tmp_path):
    assert saved_clusters(RunFolder(tmp_path), ["a"]) is None
    (tmp_path / "data.csv").write_text("id,label\na,0\n")
    assert saved_clusters(RunFolder(tmp_path), ["a"]) is None

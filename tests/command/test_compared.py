"""Models compared on the same images, against closed forms."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from cvrun.command._compared import Model, by_setting, comparison, models_of
from cvrun.command._members import Together
from cvrun.folder import RunFolder
from cvrun.metric import Metric, accuracy, loss, roc_auc

MEASURED = tuple(
    Metric(module.__name__.rpartition(".")[2], module.MODE, module.values) for module in (accuracy, loss, roc_auc)
)


def models(*seeds):
    return [Model(name, tuple(RunFolder(Path(name)) for _ in range(n))) for name, n in zip("abcd", seeds, strict=False)]


def predicted(targets, right, sure=0.8):
    """Two classes: sure of the true class where right, of the other else."""
    true = np.where(right, sure, 1 - sure)
    ill = np.where(targets == 1, true, 1 - true)
    return np.stack([1 - ill, ill], axis=1).astype(np.float32)


def together(*probabilities, targets):
    return Together([f"{i}" for i in range(len(targets))], targets, ("well", "ill"), list(probabilities))


TARGETS = np.arange(200) % 2


def test_m13_a_model_does_not_differ_from_itself():
    one = predicted(TARGETS, np.arange(200) % 10 > 0)
    found = comparison(models(1, 1), together(one, one, targets=TARGETS), MEASURED, None, 500)
    for row in found["differences"]:
        assert (row["difference"], row["p"], row["verdict"]) == (0, 1, "none")
        assert row["interval"][0] <= 0 <= row["interval"][1]


def test_single_runs_have_the_exact_tests():
    first = predicted(TARGETS, np.arange(200) >= 30)
    second = predicted(TARGETS, (np.arange(200) >= 12) & (np.arange(200) != 199))
    found = comparison(models(1, 1), together(first, second, targets=TARGETS), MEASURED, None, 500)
    rows = {row["metric"]: row for row in found["differences"]}
    assert rows["accuracy"]["test"] == "McNemar" and rows["accuracy"]["alone"] == [1, 18]
    assert rows["accuracy"]["p"] == pytest.approx(2 * stats.binom.cdf(1, 19, 0.5))
    assert rows["roc_auc"]["test"] == "DeLong"
    assert rows["loss"]["test"] == "bootstrap"
    assert [rows[name]["verdict"] for name in ("accuracy", "loss", "roc_auc")] == ["better"] * 3
    assert rows["loss"]["difference"] < 0
    # Holm: sorted p times 3, 2, 1.
    ordered = sorted(row["p"] for row in rows.values())
    assert min(row["p_corrected"] for row in rows.values()) == pytest.approx(3 * ordered[0])


def test_over_groups_no_test_takes_images_for_independent():
    """Ten copies of each image: the interval is that of twenty images, and McNemar's test is not asked."""
    targets = np.repeat(np.arange(20) % 2, 10)
    first = predicted(targets, np.repeat(np.arange(20) >= 6, 10))
    second = predicted(targets, np.repeat(np.arange(20) >= 3, 10))
    pair = together(first, second, targets=targets)
    groups = np.repeat(np.arange(20), 10)
    grouped = comparison(models(1, 1), pair, MEASURED[:1], groups, 4000)["differences"][0]
    naive = comparison(models(1, 1), pair, MEASURED[:1], None, 4000)["differences"][0]
    assert grouped["test"] == "bootstrap" and grouped["verdict"] == "none" and naive["verdict"] == "better"
    width = [row["interval"][1] - row["interval"][0] for row in (grouped, naive)]
    # Of twenty groups Student's interval, with the factor that resamples of so few leave out.
    wider = stats.t.ppf(0.975, 19) / 1.959964 * math.sqrt(20 / 19)
    assert width[0] / width[1] == pytest.approx(math.sqrt(10) * wider, rel=0.15)


def test_seeds_are_averaged_and_their_spread_counts():
    generator = np.random.default_rng(0)
    runs = [predicted(TARGETS, generator.random(200) < share) for share in (0.9, 0.7, 0.8, 0.8)]
    found = comparison(models(2, 2), together(*runs, targets=TARGETS), MEASURED[:1], None, 4000)
    shares = np.array([float((run.argmax(axis=1) == TARGETS).mean()) for run in runs])
    first, second = found["models"]
    assert first["values"]["accuracy"] == pytest.approx(shares[:2].mean())
    assert second["values"]["accuracy"] == pytest.approx(shares[2:].mean())
    (row,) = found["differences"]
    assert row["test"] == "Welch" and first["seeds"] == second["seeds"] == 2
    # At least as wide as the spread of the seeds by itself makes it.
    error = math.sqrt(shares[:2].var(ddof=1) / 2 + shares[2:].var(ddof=1) / 2)
    assert row["interval"][1] - row["difference"] > 1.96 * error


def test_a_single_group_shows_nothing():
    one = predicted(TARGETS, np.arange(200) % 10 > 0)
    two = predicted(TARGETS, np.arange(200) % 10 > 1)
    pair, group = together(one, two, targets=TARGETS), np.zeros(200, np.int64)
    for row in comparison(models(1, 1), pair, MEASURED, group, 500)["differences"]:
        assert row["verdict"] == "none" and math.isnan(row["p"]) and math.isnan(row["interval"][0])


def test_few_images_of_a_kind_show_no_difference_of_areas():
    targets = np.array([1] + [0] * 99)
    generator = np.random.default_rng(0)
    pair = [generator.random(100) for _ in range(2)]
    one, two = (np.stack([1 - ill, ill], axis=1).astype(np.float32) for ill in pair)
    (row,) = comparison(models(1, 1), together(one, two, targets=targets), MEASURED[2:], None, 500)["differences"]
    assert (row["test"], row["verdict"]) == ("DeLong", "none") and math.isnan(row["p"])


def test_what_is_undefined_is_no_finding():
    one = predicted(np.zeros(60, int), np.arange(60) % 3 > 0)
    two = predicted(np.zeros(60, int), np.arange(60) % 4 > 0)
    found = comparison(models(1, 1), together(one, two, targets=np.zeros(60, int)), MEASURED[2:], None, 200)
    (row,) = found["differences"]
    assert math.isnan(row["difference"]) and math.isnan(row["p_corrected"]) and row["verdict"] == "none"
    assert row["undefined"] == 200


def test_runs_that_differ_in_the_seed_alone_are_one_model(tmp_path):
    folders = []
    for name, spec in (
        ("a", {"name": "x", "seed": 0, "optimizer": {"lr": 0.1}, "split": {"seed": 0}}),
        ("b", {"name": "x", "seed": 1, "optimizer": {"lr": 0.1}, "split": {"seed": 0}}),
        ("c", {"name": "x", "seed": 1, "optimizer": {"lr": 0.2}, "split": {"seed": 0}}),
        ("d", {"name": "x", "seed": 0, "optimizer": {"lr": 0.1}, "split": {"seed": 1}}),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "spec.yaml").write_text(json.dumps(spec))
        folders.append(RunFolder(tmp_path / name))
    assert by_setting(folders) == [folders[:2], [folders[2]], [folders[3]]]
    assert [model.folders for model in models_of(folders[:2])] == [(folders[0],), (folders[1],)]
    again = [model.shown for model in models_of([folders[0], folders[0], folders[0]])]
    assert again == [f"{tmp_path.name}/a", f"{tmp_path.name}/a (2)", f"{tmp_path.name}/a (3)"]

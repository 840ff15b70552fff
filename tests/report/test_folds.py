import statistics

import pytest
import yaml

from cvrun.folder import RunFolder
from cvrun.report.folds import Fold, fold_numbers, fold_of_run, folds_table, metrics_of, without_fold


def fold(number: int, folds: int = 3, setting: str = "a", **metrics) -> Fold:
    return Fold(setting, setting, number, folds, metrics)


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()[3:]]


def test_mean_and_spread_over_all_folds():
    # Mean .7, deviations -.1, 0, .1: sample standard deviation .1.
    text = folds_table([fold(2, acc=0.8, loss=3.0), fold(0, acc=0.6, loss=1.0), fold(1, acc=0.7, loss=2.0)])
    assert text.startswith("\nsetting  metric  folds")
    assert rows(text) == [
        ["a", "acc", "3", "0.7000", "0.1000", "0.6000", "0.8000"],
        ["loss", "3", "2.0000", "1.0000", "1.0000", "3.0000"],
    ]
    values = [0.9905, 0.9871, 0.9912, 0.9820, 0.9899]
    (row,) = rows(folds_table([fold(i, 5, acc=value) for i, value in enumerate(values)]))
    assert row[3:5] == [f"{statistics.mean(values):.4f}", f"{statistics.stdev(values):.4f}"]


def test_a_missing_fold_is_said_and_no_mean_is_made():
    text = folds_table([fold(0, acc=0.6), fold(2, acc=0.8), fold(1, setting="b", acc=0.5), fold(0, setting="b")])
    assert rows(text) == [
        ["a", "-", "2", "of", "3", "-", "-", "-", "-"],
        ["b", "-", "1", "of", "3", "-", "-", "-", "-"],
        ["a:", "fold", "1", "is", "missing,", "so", "there", "is", "no", "mean"],
        ["b:", "folds", "0,", "2", "are", "missing,", "so", "there", "is", "no", "mean"],
    ]
    assert "0.7" not in text


def test_settings_do_not_mix():
    both = [fold(i, 2, setting=f"seed={seed}", acc=i + seed / 2) for i in (0, 1) for seed in (0, 1)]
    text = folds_table(both)
    assert [row[:4] for row in rows(text)] == [["seed=0", "acc", "2", "0.5000"], ["seed=1", "acc", "2", "1.0000"]]


def test_a_metric_that_a_fold_does_not_have_has_no_mean():
    text = folds_table([fold(0, 2, acc=0.5, f1=None), fold(1, 2, acc=0.5, f1=0.5)])
    assert rows(text) == [["a", "acc", "2", "0.5000", "0.0000", "0.5000", "0.5000"], ["f1", "2", *"----"]]


def test_no_folds_no_table():
    assert folds_table([]) == ""


def test_the_words_without_the_fold():
    assert without_fold(["+exp=a", "split.fold=3", "+split.fold=1", "split.folds=5"]) == ("+exp=a", "split.folds=5")


@pytest.mark.parametrize(
    ("split", "found"),
    [
        ({"fold": 1, "folds": 3}, (1, 3)),
        ({"fold": 3, "folds": 3}, None),
        ({"fold": "1", "folds": 3}, None),
        ({"fold": True, "folds": 3}, None),
        ({"val": 0.1}, None),
        (None, None),
        ("kfold", None),
    ],
)
def test_a_fold_is_told_from_other_splits(split, found):
    assert fold_numbers(split) == found


def test_only_a_finished_run_has_metrics():
    status = {
        "state": "finished",
        "monitor": "val/loss",
        "score": 0.5,
        "metrics": {"val/accuracy": 0.9, "val/loss": 0.5},
    }
    assert list(metrics_of(status).items()) == [("val/loss", 0.5), ("val/accuracy", 0.9)]
    assert metrics_of({**status, "state": "interrupted"}) == {} == metrics_of({})


@pytest.fixture
def run(tmp_path):
    def run(name="a", **spec):
        folder = RunFolder(tmp_path / name)
        folder.path.mkdir()
        folder.spec.write_text(yaml.safe_dump({"seed": 0, "split": {"folds": 3, "fold": 0}, "threads": 1, **spec}))
        return fold_of_run(folder, name)

    return run


def test_runs_that_differ_in_the_fold_or_in_the_machine_have_one_setting(run):
    one = run("a")
    assert (one.fold, one.folds, one.shown) == (0, 3, "a")
    assert run("b", split={"folds": 3, "fold": 2}, threads=4).setting == one.setting
    assert run("c", split={"folds": 3, "fold": 2, "seed": 1}).setting != one.setting
    assert run("d", seed=1).setting != one.setting
    assert run("e", model={"width": 4}).setting != one.setting
    assert run("f", split={"val": 0.1}) is None


@pytest.mark.parametrize("content", [b"", b"folds: [", b"\xff folds:", b"- folds: 1", b"folds: 1"])
def test_a_damaged_run_is_no_fold(tmp_path, content):
    (tmp_path / "spec.yaml").write_bytes(content)
    assert fold_of_run(RunFolder(tmp_path), "a") is None

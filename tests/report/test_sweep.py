import json
import statistics
from pathlib import Path

import pytest

from cvrun.errors import DataError
from cvrun.report.sweep import read_sweep, shown


def write(root: Path, name: str, score, seed=1, state="finished", mode="max", monitor="val/accuracy", **optimizer):
    """A run's folder as cvrun writes it, in short."""
    path = root / "exp" / name
    path.mkdir(parents=True)
    lines = "".join(f"  {key}: {json.dumps(value)}\n" for key, value in optimizer.items())
    logger = f"logger:\n  path: {name}\n"
    (path / "spec.yaml").write_text(f"name: exp\nseed: {seed}\nworkers: {seed}\n{logger}optimizer:\n{lines}")
    (path / "plan.yaml").write_text(f"name: exp\nrun_id: {name}\ntraining: {{mode: {mode}}}\n")
    (path / "status.json").write_text(json.dumps({"state": state, "monitor": monitor, "score": score}))
    return path


def test_what_varies_is_found_and_the_seed_and_the_logger_are_not_among_it(tmp_path):
    write(tmp_path, "a", 0.5, seed=1, option="sgd", lr=0.1, momentum=0.9)
    write(tmp_path, "b", 0.7, seed=2, option="adam", lr=0.1, eps=1e-8)
    sweep = read_sweep(tmp_path)
    assert sweep.varying == ["optimizer.option"]
    assert [run.facts["id"] for run in sweep.runs] == ["b", "a"] and sweep.monitor == "val/accuracy"


def test_seeds_are_grouped_with_the_mean_and_deviation_of_the_standard_library(tmp_path):
    scores = [0.91, 0.87, 0.95]
    for i, score in enumerate(scores):
        write(tmp_path, f"a{i}", score, seed=i, lr=0.1)
    write(tmp_path, "b", 0.93, lr=0.01)
    first, second = read_sweep(tmp_path).groups()
    assert (len(first.runs), first.mean, first.sd) == (1, 0.93, None)
    assert second.mean == pytest.approx(statistics.fmean(scores)) and second.sd == pytest.approx(0.04)
    assert [run.score for run in second.runs] == [0.95, 0.91, 0.87]


def test_less_is_better_where_the_plan_says_so_and_what_is_not_finished_comes_last(tmp_path):
    for name, score, state in (("a", 2.0, "finished"), ("b", 1.0, "finished"), ("c", 0.1, "failed"), ("d", None, "x")):
        write(tmp_path, name, score, state=state, mode="min", lr=0.1)
    sweep = read_sweep(tmp_path)
    assert [run.facts["id"] for run in sweep.ranked] == ["b", "a"]
    assert [run.facts["id"] for run in sweep.runs][:2] == ["b", "a"]
    assert dict(sweep.states) == {"finished": 2, "failed": 1, "x": 1}


def test_a_score_by_another_metric_is_not_ranked_with_the_others(tmp_path):
    for i in range(2):
        write(tmp_path, f"a{i}", 0.5, lr=i)
    write(tmp_path, "b", 9.0, monitor="val/other", lr=5)
    sweep = read_sweep(tmp_path)
    assert len(sweep.ranked) == 2 and sweep.others == 1


def test_a_run_put_aside_is_left_out_and_counted(tmp_path):
    write(tmp_path, "a", 0.5, lr=0.1)
    write(tmp_path, "b", 0.6, lr=0.1).rename(tmp_path / "exp" / "b.1")
    sweep = read_sweep(tmp_path)
    assert [run.facts["id"] for run in sweep.runs] == ["a"] and sweep.aside == 1


def test_a_folder_of_damaged_runs_is_read_and_one_that_is_not_there_refused(tmp_path):
    path = write(tmp_path, "a", 0.5, lr=0.1)
    (path / "spec.yaml").write_text("a: [")
    (path / "status.json").write_text("{")
    sweep = read_sweep(tmp_path)
    assert sweep.ranked == [] and sweep.groups() == [] and sweep.monitor == ""
    with pytest.raises(DataError, match="no such folder"):
        read_sweep(tmp_path / "none")


def test_values_are_shown_as_a_configuration_has_them():
    assert [shown(v) for v in (None, True, 0.1, 1e-05, 3, "5%", [1, 2])] == [
        *("null", "true", "0.1", "1e-05", "3", "5%", "[1, 2]")
    ]


def test_a_run_whose_folder_was_renamed_counts_and_a_copy_beside_it_does_not(tmp_path):
    write(tmp_path, "a", 0.5, lr=0.1).rename(tmp_path / "exp" / "my best run")
    assert [run.facts["id"] for run in read_sweep(tmp_path).runs] == ["a"]
    write(tmp_path, "a", 0.5, lr=0.1)
    sweep = read_sweep(tmp_path)
    assert [Path(run.facts["path"]).name for run in sweep.runs] == ["a"] and sweep.aside == 1

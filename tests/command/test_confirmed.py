import pytest

from cvrun.command._confirmed import new_runs, other_data, picked
from cvrun.config import saved
from cvrun.errors import ConfigError, DataError
from tests.report.test_sweep import write


def ids(groups):
    return [[run.facts["id"] for run in group.runs] for group in groups]


def test_settings_are_picked_by_the_mean_over_their_seeds(tmp_path):
    for seed, score in enumerate((0.99, 0.71)):
        write(tmp_path, f"lucky{seed}", score, seed=seed, lr=0.1)
    write(tmp_path, "even", 0.9, seed=0, lr=0.2)
    write(tmp_path, "poor", 0.5, seed=0, lr=0.3)
    assert ids(picked(tmp_path, 2)[1]) == [["even"], ["lucky0", "lucky1"]]
    assert len(picked(tmp_path, 9)[1]) == 3


def test_what_an_earlier_confirmation_trained_picks_nothing(tmp_path):
    write(tmp_path, "a", 0.5, seed=0, lr=0.1)
    new = write(tmp_path, "b", 0.9, seed=1, lr=0.1)
    (tmp_path / "exp-confirm").mkdir()
    new.rename(tmp_path / "exp-confirm" / "b")
    for folder in (tmp_path, tmp_path / "exp"):
        sweep, groups = picked(folder, 3)
        assert ids(groups) == [["a"]] and len(sweep.runs) == 1
    # A folder of runs that is named itself may have such a name.
    assert ids(picked(tmp_path / "exp-confirm", 3)[1]) == [["b"]]


def test_nothing_to_pick_from_is_refused(tmp_path):
    path = write(tmp_path, "a", None, state="failed", lr=0.1)
    with pytest.raises(ConfigError, match="no finished run with a score"):
        picked(tmp_path, 3)
    with pytest.raises(ConfigError, match="a run, expected a folder with runs"):
        picked(path, 3)
    with pytest.raises(DataError, match="no such folder"):
        picked(tmp_path / "none", 3)


def test_folds_are_no_settings(tmp_path):
    for fold in (0, 1):
        path = write(tmp_path, f"f{fold}", 0.5, lr=0.1)
        (path / "spec.yaml").write_text(f"name: exp\nseed: 0\nsplit: {{folds: 2, fold: {fold}}}\n")
    with pytest.raises(ConfigError, match="on several folds"):
        picked(tmp_path, 3)


def test_new_runs_have_new_seeds_and_are_otherwise_the_same(finished, tmp_path, call):
    folder = tmp_path / "outputs"
    sweep, groups = picked(folder, 1)
    found = new_runs(sweep, groups, 2, ["threads=3"])
    # The run that was picked has seed 0.
    assert [run.seed for run in found] == [1, 2] and found[0].spec.id != found[1].spec.id
    old = saved(finished / "spec.yaml")
    for run in found:
        assert run.folder.path == folder / "run-confirm" / run.spec.id
        assert (run.spec.trainer, run.spec.parts, run.spec.data) == (old.trainer, old.parts, old.data)
        assert run.spec.settings.threads == 3 and run.spec.settings.seed == run.seed
        assert run.spec.changes[-1] == f"seed={run.seed}" and "model.width=4" in run.spec.changes
    # The id is that of the same command line with the seed and the name.
    shown = call(
        "check", "model.width=4", "trainer.epochs=3", "trainer.batch_size=300", "seed=1", "name=run-confirm"
    ).out
    assert f"outputs/run-confirm/{found[0].spec.id}" in shown
    with pytest.raises(ConfigError, match=r"optimizer.lr=1: expected one of"):
        new_runs(sweep, groups, 2, ["optimizer.lr=1"])


def test_what_was_changed_after_the_start_is_done_from_the_start(finished, tmp_path):
    line = '{"time": "t", "step": 12, "changes": {"trainer.epochs": [3, 5]}}\n'
    (finished / "changes.jsonl").write_text(line)
    sweep, groups = picked(tmp_path / "outputs", 1)
    (run,) = new_runs(sweep, groups, 1, [])
    assert run.spec.trainer.epochs == 5 and "epochs: 5" in run.spec.text and run.spec.replaced == ()


def test_other_data_than_those_that_picked_are_said(finished, tmp_path):
    sweep, groups = picked(tmp_path / "outputs", 1)
    (run,) = new_runs(sweep, groups, 1, [])
    run.folder.path.mkdir(parents=True)
    run.folder.spec.write_text(run.spec.text)
    plan = (finished / "plan.yaml").read_text()
    run.folder.plan.write_text(plan)
    assert other_data(run, groups[0].runs[0]) == ""
    run.folder.plan.write_text(plan.replace("data_fingerprint: ", "data_fingerprint: 0"))
    assert "the data have changed" in other_data(run, groups[0].runs[0])

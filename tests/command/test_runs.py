"""cvrun runs: every run below a folder."""

import json
import shutil

from tests.report.test_sweep import write

KEYS = {"path", "name", "id", "state", "monitor", "score", "step", "epochs", "seconds", "overrides"}
KEYS |= {"test_openings", "test_models", "test_sharing"}


def test_the_list_has_every_run(call, finished):
    document = json.loads(call("runs", "--json").out)
    assert [set(run) for run in document] == [KEYS]
    shutil.copytree(finished, finished.with_name("copy"))
    document = json.loads(call("runs", "--json").out)
    assert [run["path"] for run in document] == sorted(f"outputs/run/{n}" for n in (finished.name, "copy"))


def test_values_are_those_of_the_run(call, finished, tools):
    (run,) = json.loads(call("runs", "outputs", "--json").out)
    status = tools.status(finished)
    assert run == {
        "path": f"outputs/run/{finished.name}",
        "name": "run",
        "id": finished.name,
        "state": "finished",
        "monitor": "val/accuracy",
        "score": status["score"],
        "step": 12,
        "epochs": 3.0,
        "seconds": status["seconds"],
        "overrides": ["model.width=4", "trainer.epochs=3", "trainer.batch_size=300"],
        "test_openings": 0,
        "test_models": 0,
        "test_sharing": 0,
    }


def test_the_table_has_a_line_a_run_in_a_pipe(call, finished):
    said = call("runs")
    heading, rule, row = said.out.splitlines()
    assert heading.split() == ["run", "state", "score", "epochs", "seconds", "differs", "by"]
    assert set(rule) == {"─"}
    assert row.split()[:2] == [f"outputs/run/{finished.name}", "finished"]
    assert row.endswith("model.width=4 trainer.epochs=3 trainer.batch_size=300")
    assert said.err == ""


def test_it_fits_80_and_120_columns(call, finished, monkeypatch):
    for columns in (80, 120):
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = call("runs").out.splitlines()
        assert max(map(len, lines)) <= columns
        assert lines[2].startswith(f"outputs/run/{finished.name}  finished")
        assert "trainer.batch_size=300" in " ".join(lines)
        assert all(line == line.rstrip() for line in lines)


def test_a_narrow_terminal_loses_nothing(call, finished, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    out = call("runs").out
    assert f"outputs/run/{finished.name}  finished" in out
    assert "differs by" in out


def test_damaged_runs_are_listed_too(call, finished):
    (finished / "status.json").write_text('{"state": "finished", "epochs": null, "score": null}')
    (finished / "plan.yaml").write_text("overrides: [")
    said = call("runs")
    assert said.code == 0
    assert "finished" in said.out
    (finished / "status.json").unlink()
    (run,) = json.loads(call("runs", "--json").out)
    assert (run["state"], run["score"], run["id"]) == ("interrupted", None, finished.name)


def test_no_runs_and_no_folder(call, tmp_path):
    (tmp_path / "outputs").mkdir()
    assert call("runs").out == "no runs\n"
    assert call("runs", "--json").out == "[]\n"
    said = call("runs", "nowhere")
    assert said.code == 3
    assert said.err == "cvrun runs: nowhere: no such folder, expected one with runs\n"


def test_m18_runs_that_differ_in_the_seed_alone_have_a_mean_and_an_interval(call, tmp_path):
    for seed, score in ((0, 0.6), (1, 0.8), (2, 0.7)):
        path = write(tmp_path / "outputs", f"a{seed}", score, seed=seed, lr=0.1)
        (path / "plan.yaml").write_text(f"name: exp\nrun_id: a{seed}\noverrides: [optimizer.lr=0.1, seed={seed}]\n")
    write(tmp_path / "outputs", "b", 0.9, seed=5, lr=0.5)
    write(tmp_path / "outputs", "c", 0.1, seed=6, state="failed", lr=0.1)
    said = call("runs").out.split("\n\n")[1].splitlines()
    # Student's t(2) is 4.3027: .1 * 4.3027 / sqrt(3) = .2484.
    words = ["exp", "optimizer.lr=0.1", "val/accuracy", "3", "0.7000", "0.1000", "0.4516", "to", "0.9484"]
    assert said[-1].split()[:9] == words and len(said) == 3
    (tmp_path / "outputs/exp/a2").rename(tmp_path / "outputs/exp/a2.1")
    assert "exp optimizer.lr=0.1: 2 seeds, fewer than 3: the spread is hardly known" in call("runs").out


def test_a_run_that_went_on_longer_is_another_setting(call, tmp_path):
    paths = [write(tmp_path / "outputs", f"a{seed}", 0.6, seed=seed, lr=0.1) for seed in (0, 1)]
    assert "seeds" in call("runs").out
    changed = {"time": "t", "step": 1, "changes": {"optimizer.lr": [0.1, 0.2]}}
    (paths[0] / "changes.jsonl").write_text(json.dumps(changed) + "\n")
    assert "seeds" not in call("runs").out

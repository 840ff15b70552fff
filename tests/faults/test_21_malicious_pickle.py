"""Row 21: code in a checkpoint or a file of weights: exit code 4, named, not run, whatever door it comes by."""

import shutil

import pytest
import torch
from foreign import commits, forge, trapped


@pytest.fixture
def run(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "run")


@pytest.fixture
def loads(monkeypatch):
    """How torch.load was called."""
    calls, real = [], torch.load

    def load(*arguments, **options):
        calls.append(options)
        return real(*arguments, **options)

    monkeypatch.setattr(torch, "load", load)
    yield calls
    assert calls and all(options.get("weights_only") is True for options in calls)


WAYS = ("torch", "torch before 1.6", "pickle")


@pytest.mark.parametrize("way", WAYS)
def test_in_every_state_of_a_run(way, run, call, tmp_path, loads):
    for commit in commits(run, "step"):
        content = torch.load(commit / "state.pt", weights_only=True)
        forge(commit, "state.pt", trapped(tmp_path / "sprung", content)[way])
    (run / "status.json").write_text('{"state": "interrupted", "step": 9, "seconds": 1.0, "score": null}')
    for words in (["resume", run], ["eval", run, "--checkpoint", "last"]):
        said = call(*words)
        assert said.code == 4, said.err
        assert "refused, it names posix.mkdir" in said.err and "only plain tensors are read" in said.err
        assert not (tmp_path / "sprung").exists()


def test_in_the_best_weights(run, call, tmp_path, loads):
    for commit in commits(run, "best"):
        for file in commit.iterdir():
            if file.name != "manifest.json":
                forge(commit, file.name, trapped(tmp_path / "sprung")["torch"])
    said = call("eval", run)
    assert said.code == 4 and "best-" in said.err, said.err
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("way", WAYS)
def test_in_a_file_of_weights(way, words, call, tmp_path, loads):
    beside = {"stem.0.weight": torch.zeros(4, 3, 3, 3)}
    (tmp_path / "w.pt").write_bytes(trapped(tmp_path / "sprung", beside)[way])
    said = call(*words, f"model.weights={tmp_path / 'w.pt'}")
    assert said.code == 4
    assert "w.pt: refused, it names posix.mkdir" in said.err and said.err.count("refused") == 1
    assert not (tmp_path / "sprung").exists()
    assert len(loads) == 1


def test_the_trap_would_spring(tmp_path, monkeypatch):
    (tmp_path / "w.pt").write_bytes(trapped(tmp_path / "sprung")["torch"])
    torch.load(tmp_path / "w.pt", weights_only=False)
    assert (tmp_path / "sprung").is_dir()

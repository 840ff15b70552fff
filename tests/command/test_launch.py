"""How processes are started and what each is to do; stories with several of them are in faults/test_26."""

import dataclasses
import os

import pytest
import torch

from cvrun import config
from cvrun.command import _launch
from cvrun.command._launch import device_of, in_this_world, launch, launches
from cvrun.errors import ConfigError


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch):
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)


def launched(monkeypatch, world: int, rank: int) -> None:
    for name, value in (("WORLD_SIZE", world), ("RANK", rank), ("LOCAL_RANK", rank)):
        monkeypatch.setenv(name, str(value))


def spec_of(*words):
    return config.compose(["device=cpu", *words])


def test_only_the_first_process_launches(monkeypatch):
    assert not launches(spec_of())
    assert launches(spec_of("devices=2"))
    launched(monkeypatch, 2, 0)
    assert not launches(spec_of("devices=2"))


@pytest.mark.parametrize("words", [(), ("devices=2",)])
def test_a_launched_process_follows_the_launcher(monkeypatch, words):
    launched(monkeypatch, 2, 1)
    found = in_this_world(spec_of(*words))
    assert (found.settings.devices, found.settings.device) == (2, "cpu")
    assert found.id == spec_of().id


@pytest.mark.parametrize(("world", "word"), [(2, "devices=3"), (2, "devices=1"), (1, "devices=2"), (None, "devices=2")])
def test_another_number_than_was_asked_for_is_an_error(monkeypatch, world, word):
    if world is not None:
        launched(monkeypatch, world, 0)
    with pytest.raises(ConfigError, match=f"{word}: expected {world or 1}, as many as processes were started"):
        in_this_world(spec_of(word))


def test_what_was_changed_in_a_saved_run_counts_as_said(monkeypatch):
    launched(monkeypatch, 2, 0)
    spec = spec_of("devices=2")
    assert in_this_world(config.replaced(spec, [("devices", 2)])).settings.devices == 2
    with pytest.raises(ConfigError, match="devices=1: expected 2"):
        in_this_world(config.replaced(spec, [("devices", 1)]))


def test_each_process_has_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for device in ("cuda", "auto"):
        spec = spec_of("devices=3", f"device={device}")
        assert [device_of(spec, rank) for rank in (0, 1)] == ["cuda:0", "cuda:1"]
        with pytest.raises(ConfigError, match="devices=3: expected at most 2, the GPUs of this machine"):
            device_of(spec, 2)
        with pytest.raises(ConfigError, match="devices=3: expected at most 2"):
            launch(spec, ["train"])
    with pytest.raises(ConfigError, match="device=cuda:1: one device, and devices=3 asks for more"):
        device_of(spec_of("devices=3", "device=cuda:1"), 0)


def test_a_compiled_model_has_no_synchronized_batch_norm():
    words = ["devices=2", "compile=true", "trainer.sync_batch_norm=true"]
    with pytest.raises(ConfigError, match="trainer.sync_batch_norm=true: not in a compiled model"):
        launch(spec_of(*words), ["train", *words])


@pytest.mark.parametrize(
    ("failed", "wanted", "said"),
    [
        ({1: 3}, 3, ""),
        # The launcher ends the others with SIGTERM.
        ({0: -15, 1: 6}, 6, ""),
        ({0: 1, 1: -9}, 137, "cvrun train: rank 1 was killed by SIGKILL\n"),
        ({0: -15}, 1, ""),
    ],
)
def test_the_code_is_that_of_the_one_to_blame(failed, wanted, said, capsys):
    assert _launch._code(failed, "train") == wanted
    assert capsys.readouterr().err == said


def test_what_this_torch_does_not_know_is_left_out():
    kind = dataclasses.make_dataclass("Config", ["run_id"])
    assert _launch._optional(kind, run_id="x", shutdown_timeout=5) == {"run_id": "x"}


def test_the_surroundings_are_put_back(monkeypatch, tmp_path):
    before = dict(os.environ)
    with _launch._surroundings():
        assert os.environ["PYTHONSAFEPATH"] == "1"
    assert dict(os.environ) == before


def test_a_trained_model_is_used_on_one_device(finished):
    path = finished / "spec.yaml"
    path.write_text(path.read_text().replace("devices: 1", "devices: 2"))
    assert config.saved(path).settings.devices == 2
    assert config.load(path, []).settings.devices == 1


def test_a_sweep_is_for_one_process(call, monkeypatch):
    launched(monkeypatch, 2, 0)
    said = call("train", "-m", "seed=0,1")
    assert said.code == 2
    assert "-m: a sweep in each of 2 processes, expected one process" in said.err


@pytest.mark.slow
def test_a_job_of_a_sweep_may_have_several_devices(call, tmp_path, tools):
    given = ("model.width=4", "trainer.epochs=1", "trainer.batch_size=300", "workers=0", "threads=1", "devices=2")
    (tmp_path / "mine" / "exp").mkdir(parents=True)
    (tmp_path / "mine" / "exp" / "own.yaml").write_text("# @package _global_\n# Mine.\noptimizer:\n  lr: 0.05\n")
    said = call("train", "-m", "--config-dir", str(tmp_path / "mine"), "+exp=own", *given, "seed=3")
    assert said.code == 0, said.err
    (folder,) = tmp_path.glob("outputs/run/*")
    status = tools.status(folder)
    assert status["state"] == "finished"
    assert f"{status['score']:.4f}  seed=3" in said.out or f"{status['score']:.4f}  -" in said.out
    assert "devices: '2'" in (folder / "plan.yaml").read_text()


def test_the_spec_itself_stays(monkeypatch):
    spec = spec_of()
    launched(monkeypatch, 2, 0)
    kept = dataclasses.replace(spec)
    in_this_world(spec)
    assert spec == kept

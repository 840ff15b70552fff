"""How a run ends: every way is in its status. Stories with processes are in test_train.py and test_signals.py."""

import dataclasses
import subprocess
import sys
import warnings

import pytest
import torch
import yaml

from cvrun import config
from cvrun.command import _execute
from cvrun.errors import CheckpointError, ConfigError, OutOfMemoryError, StorageError
from cvrun.folder import RunFolder
from cvrun.prepare import address
from cvrun.task.classification import Classification
from cvrun.trainer import checkpoint


@pytest.fixture
def spec(tmp_path):
    words = ["model.width=4", "trainer.epochs=1", "trainer.batch_size=300", "logger=[]", f"output_root={tmp_path}"]
    return config.compose(words)


def test_a_run_that_is_done_is_not_done_again(spec, monkeypatch):
    first = _execute.execute(spec, address(spec), rerun=False)
    assert (first.exit_code, first.status["state"], first.note) == (0, "finished", "")
    monkeypatch.setattr(_execute, "_work", lambda *arguments: pytest.fail("it was trained again"))
    second = _execute.execute(spec, address(spec), rerun=False)
    assert second.status == first.status
    assert "rerun=true" in second.note


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_running_out_of_memory_has_its_own_code_and_a_hint(spec, monkeypatch, error):
    def train(run, state):
        raise error

    monkeypatch.setattr(_execute, "train", train)
    with pytest.raises(
        OutOfMemoryError, match="trainer.batch_size=300, images of 8 pixels.*trainer.accumulate"
    ) as caught:
        _execute.execute(spec, address(spec), rerun=False)
    assert caught.value.exit_code == 6
    assert address(spec).read_status()["state"] == "failed"


def test_any_error_is_in_the_status_with_the_step_of_the_last_commit(spec, monkeypatch):
    real = _execute.finish

    def finish(run, state):
        raise StorageError("somewhere: cannot be written")

    monkeypatch.setattr(_execute, "finish", finish)
    with pytest.raises(StorageError):
        _execute.execute(spec, address(spec), rerun=False)
    status = address(spec).read_status()
    assert (status["state"], status["reason"]) == ("failed", "somewhere: cannot be written")
    assert (status["step"], status["resumable"]) == (4, True)
    monkeypatch.setattr(_execute, "finish", real)
    assert _execute.execute(spec, address(spec), rerun=False).status["state"] == "finished"


def test_a_damaged_plan_is_refused(spec):
    _execute.execute(spec, address(spec), rerun=False)
    address(spec).plan.write_text("training: [")
    with pytest.raises(CheckpointError, match=r"plan.yaml: damaged .*rerun=true"):
        _execute.execute(spec, address(spec), rerun=False)


def test_another_split_under_the_same_address_is_refused(spec):
    _execute.execute(spec, address(spec), rerun=False)
    parts = dict(spec.parts)
    parts["split"] = dataclasses.replace(parts["split"], config=dataclasses.replace(parts["split"].config, seed=1))
    with pytest.raises(CheckpointError, match="the .* changed since this run was started: .* in another part"):
        _execute.execute(dataclasses.replace(spec, parts=parts), address(spec), rerun=False)


def test_the_precision_of_the_start_is_kept(spec, monkeypatch):
    # trainer.precision is auto, which here means fp32; a run that began elsewhere in bf16 goes on in bf16.
    _execute.execute(spec, address(spec), rerun=False)
    plan = address(spec).plan
    plan.write_text(plan.read_text().replace("precision: fp32", "precision: bf16"))
    seen = []
    monkeypatch.setattr(_execute, "prepare", lambda spec, folder, precision, _: seen.append(precision) or pytest.skip())
    with pytest.raises(pytest.skip.Exception):
        _execute.execute(spec, address(spec), rerun=False)
    assert seen == ["bf16"]


def test_an_interrupt_is_in_the_status(spec, monkeypatch):
    def train(run, state):
        raise KeyboardInterrupt

    monkeypatch.setattr(_execute, "train", train)
    with pytest.raises(KeyboardInterrupt):
        _execute.execute(spec, address(spec), rerun=False)
    assert address(spec).read_status()["state"] == "interrupted"


def test_a_run_goes_on_without_the_file_that_it_began_from(tmp_path, monkeypatch):
    words = ["model=timm", "model.name=test_resnet", "data.size=32", "trainer.batch_size=300", "trainer.epochs=2"]
    import timm

    file = tmp_path / "weights.pt"
    torch.save(timm.create_model("test_resnet", num_classes=10, in_chans=1).state_dict(), file)
    spec = config.compose([*words, f"model.weights={file}", "logger=[]", f"output_root={tmp_path}"])
    real = _execute.finish
    monkeypatch.setattr(_execute, "finish", lambda run, state: (_ for _ in ()).throw(StorageError("stopped here")))
    with pytest.raises(StorageError):
        _execute.execute(spec, address(spec), rerun=False)
    file.unlink()
    monkeypatch.setattr(_execute, "finish", real)
    assert _execute.execute(spec, address(spec), rerun=False).status["state"] == "finished"


@pytest.fixture
def lenient():
    """Whatever a test leaves, the next one has torch's own kernels."""
    yield
    torch.use_deterministic_algorithms(False)


def with_strict_kernels(spec, wanted: bool, name: str):
    settings = dataclasses.replace(spec.settings, deterministic=wanted)
    folder = RunFolder(address(spec).path.with_name(name))
    return dataclasses.replace(spec, settings=settings), folder


def test_strict_kernels_are_set_for_each_run_and_recorded(spec, lenient):
    digests = []
    for number, wanted in enumerate((True, False)):
        outcome = _execute.execute(*with_strict_kernels(spec, wanted, f"{number}"), rerun=False)
        assert outcome.status["state"] == "finished"
        assert torch.are_deterministic_algorithms_enabled() is wanted
        plan = yaml.safe_load((outcome.folder / "plan.yaml").read_text())
        assert plan["environment"]["deterministic"] == str(wanted)
        saved = checkpoint.newest(outcome.folder / "checkpoints", "step", pytest.fail)[1]
        assert saved["meta"]["environment"]["deterministic"] == str(wanted)
        digests.append(outcome.status["digest"])
    # On a CPU all kernels of this model are strict already.
    assert digests[0] == digests[1]


@pytest.mark.parametrize("wanted", [True, False])
def test_what_has_no_strict_kernel_is_an_error_for_the_user(spec, monkeypatch, lenient, wanted):
    real = Classification.loss

    def loss(self, model, part, batch):
        # torch knows no order in which this one writes.
        torch.zeros(2).put_(torch.tensor([1, 1]), torch.ones(2))
        return real(self, model, part, batch)

    monkeypatch.setattr(Classification, "loss", loss)
    strict, folder = with_strict_kernels(spec, wanted, "strict")
    if not wanted:
        assert _execute.execute(strict, folder, rerun=False).status["state"] == "finished"
        return
    message = "^deterministic=true: put_ has no strict kernel on cpu; deterministic=false$"
    with pytest.raises(ConfigError, match=message) as caught:
        _execute.execute(strict, folder, rerun=False)
    assert caught.value.exit_code == 2
    assert (folder.read_status()["state"], folder.read_status()["resumable"]) == ("failed", True)
    # Without them it goes on, and finishes.
    lax = with_strict_kernels(spec, False, "strict")
    assert _execute.execute(*lax, rerun=False).status["state"] == "finished"


def test_a_run_imports_nothing_heavy_that_it_does_not_use(tmp_path):
    code = (
        "import sys; from cvrun.cli import main; code = main(sys.argv[1:]);"
        "print('loaded', *sys.modules, file=sys.stderr); sys.exit(code)"
    )
    words = ["train", "+exp=digits", "trainer.epochs=1", "trainer.batch_size=300", "model.width=4"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=tmp_path)
    loaded = done.stderr.partition("loaded")[2].split()
    assert done.returncode == 0, done.stderr
    assert {"torch", "cvrun.trainer.finish"} <= set(loaded)
    heavy = {"timm", "torchvision", "sklearn", "scipy", "pandas", "sympy", "torch._dynamo", "torch._inductor"}
    assert heavy & set(loaded) == set()


QUICK = ("model.width=4", "trainer.epochs=3", "trainer.batch_size=300", "workers=0")


@pytest.fixture
def warns_at(at_step):
    """A library warns at a step; the tests take warnings for errors, a user's Python does not."""
    warnings.simplefilter("default")

    def warns_at(step):
        def warn(run, state, batch):
            for _ in range(2):
                warnings.warn("the library's opinion", RuntimeWarning, stacklevel=1)
            return at_step.real(run, state, batch)

        at_step(step, warn)

    return warns_at


def test_a13_a_warning_is_one_line_in_the_runs_folder(call, warns_at, tmp_path):
    warns_at(5)
    said = call("train", *QUICK)
    assert said.code == 0
    assert said.err.count("warning: RuntimeWarning: the library's opinion (") == 1
    (folder,) = tmp_path.glob("outputs/run/*")
    (line,) = (folder / "warnings.log").read_text().splitlines()
    assert f" RuntimeWarning: the library's opinion ({__file__}:" in line


def test_a13_strict_ends_the_run_at_the_step_and_it_can_go_on(call, warns_at, tools, tmp_path):
    warns_at(5)
    said = call("train", *QUICK, "strict_warnings=true")
    assert said.code == 2
    assert said.err.splitlines()[-1].startswith(
        "cvrun train: strict_warnings=true: RuntimeWarning: the library's opinion ("
    )
    (folder,) = tmp_path.glob("outputs/run/*")
    status = tools.status(folder)
    assert (status["state"], status["step"], status["resumable"]) == ("failed", 6, True)
    assert "the library's opinion" in status["reason"]
    assert call("resume", folder, "strict_warnings=false").code == 0
    assert tools.status(folder)["state"] == "finished"
    assert len((folder / "warnings.log").read_text().splitlines()) == 1


def test_a13_strict_takes_a_warning_of_the_plan_before_anything_is_written(call, tmp_path):
    loose = ("early_stopping=patience", "early_stopping.patience=1", "scheduler=plateau")
    said = call("check", *QUICK, *loose)
    assert (said.code, said.out.count("\nwarning: ")) == (0, 1), said.err
    for command in ("train", "check"):
        said = call(command, *QUICK, *loose, "strict_warnings=true")
        assert said.code == 2
        assert f"cvrun {command}: strict_warnings=true: plan: " in said.err
    assert not (tmp_path / "outputs").exists()

import copy
import re
import shutil

import pytest
import torch
from torch import nn

from cvrun import compiler
from cvrun.arithmetic import arranged
from cvrun.compiler import compile_models, require_compiler, telling
from cvrun.errors import ConfigError
from cvrun.pipeline import Batch

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs g++ on a CPU")
TINY = [
    *("model.width=2", "model.blocks=[1]", "model.drop_rate=0.3", "trainer.batch_size=300", "trainer.epochs=2"),
    *(
        "trainer.eval_batch_size=100",
        "trainer.ema_decay=0.9",
        "monitor.metric=val/ema/accuracy",
        "logger=[]",
        "compile=true",
    ),
]


@pytest.fixture
def no_tools(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("CC", "CXX"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_without_a_compiler_it_is_refused_before_anything_is_done(no_tools, call, tmp_path):
    for command in ("train", "check"):
        said = call(command, "compile=true", "device=cpu")
        hint = "install one or name it in CXX, or compile=false"
        assert said.code == 2 and said.err.endswith(f"compile=true: no compiler, expected g++; {hint}\n")
    assert not (tmp_path / "outputs").exists()
    assert call("check", "device=cpu").code == 0


def test_a_compiler_of_ones_own_must_be_there_too(no_tools, tmp_path):
    no_tools.setenv("CXX", "mine++")
    with pytest.raises(ConfigError, match=re.escape("expected mine++")):
        require_compiler("cpu")
    (tmp_path / "mine++").write_text("#!/bin/sh\n")
    (tmp_path / "mine++").chmod(0o700)
    require_compiler("cpu")


def test_a_gpu_needs_triton(no_tools, tmp_path):
    from torch.utils import _triton

    with pytest.raises(ConfigError, match="expected gcc or clang or cc"):
        require_compiler("cuda")
    (tmp_path / "clang").write_text("#!/bin/sh\n")
    (tmp_path / "clang").chmod(0o700)
    no_tools.setattr(_triton, "has_triton", lambda: False)
    with pytest.raises(ConfigError, match="triton is missing or does not know cuda"):
        require_compiler("cuda")
    no_tools.setattr(_triton, "has_triton", lambda: True)
    require_compiler("cuda")


def test_on_a_cpu_it_is_said_that_it_does_not_pay(call):
    said = call("check", "compile=true", "device=cpu")
    assert f"warning: {compiler.CPU_WARNING}" in said.out
    assert "compile=true" not in call("check", "device=cpu").out


def test_names_and_class_stay_and_a_copy_is_plain():
    model = nn.Sequential(nn.Linear(2, 3))
    names = list(model.state_dict())
    compile_models([model])
    assert type(model) is nn.Sequential and list(model.state_dict()) == names
    assert model._compiled_call_impl is not None
    assert copy.deepcopy(model)._compiled_call_impl is None


def test_the_first_step_is_timed(monkeypatch):
    now, said = [100.0], []
    monkeypatch.setattr(compiler.time, "monotonic", lambda: now[0])
    batches = [Batch(torch.zeros(1), torch.zeros(1), torch.full((1,), number)) for number in range(3)]
    seen = []
    for batch in telling(lambda start: iter(batches[start:]), said.append)(0):
        seen.append(int(batch.index))
        now[0] += 31.25 if len(seen) == 1 else 1.0
    assert seen == [0, 1, 2] and said == ["compiled the model: the first step took 31.2 s"]
    assert list(telling(lambda start: iter(()), said.append)(0)) == [] and len(said) == 1


@needs_compiler
@pytest.mark.slow
def test_a_compiled_run_that_is_stopped_has_the_bits_of_one_that_is_not(call, tmp_path, monkeypatch):
    """Digits: 4 steps an epoch, evaluated after each on 100 + 80 images, so two sizes beside that of training."""
    from cvrun import fault

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "inductor"))
    words = ("train", *TINY, "device=cpu", "threads=1", "trainer.precision=bf16")
    whole = call(*words, "name=whole")
    assert whole.code == 0, whole.err
    assert "compiled the model: the first step took" in whole.out + whole.err
    seen = []

    def stop(name):
        # After step 4, with which an epoch and an evaluation end: the process that goes on evaluates nothing first.
        if name == "step.updated":
            seen.append(name)
            if len(seen) == 5:
                raise KeyboardInterrupt

    monkeypatch.setattr(fault, "point", stop)
    assert call(*words, "name=parts").code == 130
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert call("resume", next((tmp_path / "outputs" / "parts").iterdir())).code == 0
    digests = []
    for name in ("whole", "parts"):
        weights = next((tmp_path / "outputs" / name).rglob("step-00000008/state.pt"))
        digests.append(torch.load(weights, weights_only=True)["state"]["model"])
    for name, value in digests[0].items():
        assert torch.equal(value, digests[1][name]), name


@needs_compiler
@pytest.mark.slow
def test_a_compiled_model_computes_what_it_did():
    """Depthwise layers that stay in float32 among others in bf16 included; each size of batch has its own program."""
    torch.manual_seed(0)
    parts = (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, groups=4), nn.Flatten())
    plain = arranged(nn.Sequential(*parts, nn.Linear(64, 2)), "bf16", torch.device("cpu"))
    compiled = copy.deepcopy(plain)
    compile_models([compiled])
    for num in (6, 3):
        image = torch.randn(num, 8, 8, 3).permute(0, 3, 1, 2)
        found = []
        for model in (plain, compiled):
            model.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(image)
            logits.float().square().mean().backward()
            found.append([logits.float().detach(), *(p.grad for p in model.parameters())])
        for one, other in zip(*found, strict=True):
            torch.testing.assert_close(one, other, rtol=0.05, atol=0.02)

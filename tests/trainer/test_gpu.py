"""Training on a CUDA device: each precision, compiled models, the same bits after a kill, no waiting in a step."""

import os
import subprocess
import sys
import warnings
from contextlib import contextmanager

import pytest
import torch

from cvrun.trainer.digest import digest
from cvrun.trainer.evaluate import evaluate
from cvrun.trainer.update import update

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]
NET = [
    *("device=cuda", "model.width=16", "model.drop_rate=0.2", "scheduler=constant"),
    *("trainer.ema_decay=0.9", "trainer.max_grad_norm=1"),
]
OPTIMIZERS = ["sgd", "sgd_nesterov", "adam", "adamw", "adagrad", "rmsprop"]


@contextmanager
def no_waiting():
    """Raise where a CUDA operation makes the processor wait for the device."""
    torch.cuda.synchronize()
    with warnings.catch_warnings():
        # The first call in a process warns that not every such operation is known.
        warnings.simplefilter("ignore")
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def losses(run, state, num: int) -> list[float]:
    """Of num steps over the same batch."""
    batch = next(iter(run.train_batches(0)))
    state.model.train()
    return [float(update(run, state, batch)) for _ in range(num)]


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_it_learns_in_every_precision(start, precision):
    run, state = start(*NET, f"trainer.precision={precision}")
    inside = []
    layer = next(m for m in state.model.modules() if isinstance(m, torch.nn.Conv2d))
    layer.register_forward_hook(lambda module, given, output: inside.append(output.dtype))
    found = losses(run, state, 30)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    assert set(inside) == {dtype}
    assert found[-1] < 0.9 * found[0]
    assert {p.dtype for p in state.model.parameters()} == {torch.float32}
    assert state.scaler.is_enabled() is (precision == "fp16")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_weights_moments_and_average_are_channels_last(start, optimizer):
    rate = "optimizer.lr=0.003" if "sgd" not in optimizer else "optimizer.lr=0.05"
    run, state = start(*NET, f"optimizer={optimizer}", rate)
    found = losses(run, state, 20)
    assert found[-1] < found[0]
    if optimizer not in ("rmsprop", "adagrad"):
        assert all(group["fused"] for group in state.optimizer.param_groups)
    filters = [p for p in state.model.parameters() if p.ndim == 4 and p.shape[1] > 1 and p.shape[2] > 1]
    average = dict(zip(state.model.parameters(), state.ema.models()["val/ema"].parameters(), strict=True))
    assert filters
    for p in filters:
        moments = [value for value in state.optimizer.state[p].values() if value.ndim == 4]
        assert moments or optimizer == "sgd"
        for value in (p, average[p], *moments):
            assert value.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("optimizer", ["sgd_nesterov", "adamw"])
def test_a_step_does_not_wait_for_the_device(start, precision, optimizer):
    """fp16 does: torch's GradScaler asks whether a gradient overflowed."""
    run, state = start(*NET, f"trainer.precision={precision}", f"optimizer={optimizer}", "trainer.accumulate=2")
    batch = next(iter(run.train_batches(0)))
    state.model.train()
    for _ in range(3):
        state.loss_mean.add(update(run, state, batch), len(batch), state.step - 1)
    with no_waiting():
        for _ in range(3):
            state.loss_mean.add(update(run, state, batch), len(batch), state.step - 1)
    assert state.loss_mean.value() > 0


def test_a_batch_does_not_wait_for_the_device(start):
    run, _ = start(*NET)
    batches = iter(run.train_batches(0))
    next(batches)
    with no_waiting():
        batch = next(batches)
    assert batch.image.is_cuda and batch.image.is_contiguous(memory_format=torch.channels_last)


def test_the_sync_detector_works():
    """Otherwise the tests above could not fail."""
    with no_waiting(), pytest.raises(RuntimeError, match="synchroniz"):
        torch.ones(1, device="cuda").item()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit.* is deprecated:DeprecationWarning", "ignore:TensorFloat32 tensor cores")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_compiled_model_trains_and_is_evaluated(start, precision):
    words = [*NET, "model.drop_rate=0", f"trainer.precision={precision}"]
    plain, compiled = start(*words, "name=plain"), start(*words, "name=compiled", "compile=true")
    assert list(plain[1].model.state_dict()) == list(compiled[1].model.state_dict())
    first, second = losses(*plain, 10), losses(*compiled, 10)
    # Fused kernels round less often; the same weights, images and rates.
    assert second == pytest.approx(first, rel=0.05 if precision == "bf16" else 1e-2)
    for run, state in (plain, compiled):
        for model in state.models().values():
            found = evaluate(model, run.task, run.val_batches(), run.autocast)
            assert len(found.prediction.targets) == 180


def run_in_a_process(root, *words, fault="") -> int:
    """cuBLAS reads its settings when it starts, which other tests in this process have made it do."""
    command = [sys.executable, "-m", "cvrun", "train", *NET, *words, "deterministic=true", f"output_root={root}"]
    environment = {**os.environ, "CVRUN_FAULT": fault}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600).returncode


def state_of(root) -> str:
    content = torch.load(max(root.rglob("step-*/state.pt")), weights_only=True, map_location="cpu")
    assert content["state"]["step"] == 12
    return digest(content["state"])


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_run_that_was_killed_and_goes_on_ends_with_the_same_bits(tmp_path, precision):
    """Digits in batches of 300: 4 steps an epoch, 12 in all."""
    words = ["trainer.batch_size=300", "trainer.epochs=3", "trainer.save_every=2st", f"trainer.precision={precision}"]
    assert run_in_a_process(tmp_path / "whole", *words) == 0
    assert run_in_a_process(tmp_path / "parts", *words, fault="step.updated@7=kill") == 137
    assert run_in_a_process(tmp_path / "parts", *words) == 0
    assert state_of(tmp_path / "whole") == state_of(tmp_path / "parts")

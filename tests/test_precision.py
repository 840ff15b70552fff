"""precision=auto: what is asked for is honoured, short runs stay in float32, the rest is measured once."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from cvrun import config, precision, probe
from cvrun.errors import StorageError
from cvrun.model import Shape
from cvrun.precision import Decision, counting, remembered, settle
from cvrun.prepare import prepare
from cvrun.probe import SHORT, Work


def work(*words, **changed) -> Work:
    """A run of digits whose model is said to be so heavy that the run is long."""
    spec = config.compose(["model.width=4", "device=cpu", *words])
    plan = prepare(spec).plan
    long = replace(plan.training, total_steps=10**7)
    found = Work(spec, long, plan.shape, np.ones(10, np.int64), plan.metrics, 1, plan.num_parameters, 1e6)
    return replace(found, **changed)


@pytest.fixture
def bf16_machine(monkeypatch):
    monkeypatch.setattr(precision, "computes_bf16", lambda: True)


@pytest.fixture
def steps(monkeypatch, bf16_machine):
    """Takes the [seconds] of a step in each precision; gives what was stepped."""
    taken = []

    def set_to(**seconds):
        taken.clear()

        def step(name):
            taken.append(name)
            return seconds[name]

        monkeypatch.setattr(probe, "step_of", lambda work: step)
        return taken

    return set_to


@pytest.fixture
def unmeasured(monkeypatch):
    def fail(work):
        pytest.fail("nothing is to be measured")

    monkeypatch.setattr(probe, "step_of", fail)


@pytest.mark.parametrize("asked", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_what_is_asked_for_is_honoured(asked, device, unmeasured):
    assert settle(work(f"trainer.precision={asked}"), device) == Decision(asked, "")


@pytest.mark.parametrize(("native", "expected"), [(True, "bf16"), (False, "fp16")])
def test_a_gpu_is_not_measured(native, expected, monkeypatch, unmeasured):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)
    assert settle(work(), "cuda").precision == expected


def test_a_processor_without_bf16_is_not_measured(monkeypatch, unmeasured):
    monkeypatch.setattr(precision, "computes_bf16", lambda: False)
    assert settle(work(), "cpu") == Decision("fp32", "auto: this processor does not compute bf16")


def test_a_run_of_little_work_is_not_measured(bf16_machine, unmeasured):
    """A batch of 128 images of 1 MFLOP forward, 3 MFLOP in all: 19.2 ms at 20 GFLOP/s, so 30 s are 1,562.5 steps."""
    long = work()
    for steps, short in ((1562, True), (1563, False)):
        found = replace(long, training=replace(long.training, total_steps=steps))
        if short:
            assert settle(found, "cpu") == Decision("fp32", "auto: a run of less than 30 s")
        else:
            with pytest.raises(pytest.fail.Exception):
                settle(found, "cpu")


def test_a_huge_model_is_not_built(bf16_machine, unmeasured):
    found = settle(work(num_parameters=300_000_001), "cpu")
    assert found == Decision("fp32", "auto: models above 300,000,000 parameters are not measured")


def test_a_run_that_the_first_steps_show_to_be_short_is_measured_no_further(steps):
    long = work()
    per_step = SHORT / long.training.total_steps
    taken = steps(fp32=0.99 * per_step)
    assert settle(long, "cpu") == Decision("fp32", "auto: a run of less than 30 s")
    assert taken == ["fp32", "fp32"]
    taken = steps(fp32=1.01 * per_step, bf16=0.5 * per_step)
    assert settle(long, "cpu").precision == "bf16" and "bf16" in taken


@pytest.mark.parametrize(
    ("fp32", "bf16", "expected", "said"),
    [
        (2.0, 1.0, "bf16", "auto: bf16 measured 2.00x as fast as fp32"),
        (1.1, 1.0, "bf16", "auto: bf16 measured 1.10x as fast as fp32"),
        (1.09, 1.0, "fp32", "auto: bf16 measured 1.09x as fast as fp32"),
        (0.6, 1.0, "fp32", "auto: bf16 measured 0.60x as fast as fp32"),
    ],
)
def test_bf16_is_taken_where_it_pays(steps, fp32, bf16, expected, said):
    taken = steps(fp32=fp32, bf16=bf16)
    assert settle(work(), "cpu") == Decision(expected, said)
    assert taken.count("fp32") == taken.count("bf16") == 1 + 5  # the first of each is not timed


def test_the_median_of_alternating_steps_counts(monkeypatch, bf16_machine):
    """Other work on the machine makes some steps longer."""
    times = {"fp32": iter([9, 4, 8, 2, 4, 4.0]), "bf16": iter([9, 3, 1, 2, 2, 7.0])}
    order = []

    def step(name):
        order.append(name)
        return next(times[name])

    monkeypatch.setattr(probe, "step_of", lambda work: step)
    assert settle(work(), "cpu").reason == "auto: bf16 measured 2.00x as fast as fp32"
    assert order[-8:] == ["fp32", "bf16"] * 4


def test_the_measuring_ends_in_time(monkeypatch, bf16_machine):
    """Steps of 4 s each: after the first of each kind and a timed one 16 s are over, so no round follows."""
    now, count = [0.0], []

    def step(name):
        now[0] += 4.0
        count.append(name)
        return 4.0

    monkeypatch.setattr(probe, "step_of", lambda work: step)
    monkeypatch.setattr(probe.time, "perf_counter", lambda: now[0])
    assert settle(work(), "cpu").precision == "fp32"
    assert len(count) == 4


def test_it_is_measured_once(steps):
    steps(fp32=3.0, bf16=1.0)
    first = settle(work(), "cpu")
    taken = steps(fp32=1.0, bf16=1.0)
    assert settle(work(), "cpu") == first and taken == []
    assert settle(work("seed=1", "optimizer.lr=0.2"), "cpu") == first and taken == []
    for other in (work("model.width=8"), work("trainer.batch_size=64"), work(threads=2), work("optimizer=adamw")):
        assert settle(other, "cpu").precision == "fp32" and taken != []
        taken.clear()
    assert settle(replace(work(), shape=Shape(1, 16, 10)), "cpu").precision == "fp32" and taken != []


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:20]),
        lambda path: path.write_text("[]"),
        lambda path: path.write_text('{"about": 1, "seconds": {"fp32": 1}}'),
        lambda path: path.write_text(path.read_text().replace("1.0", "-1.0")),
        lambda path: path.write_text(path.read_text().replace("1.0", "NaN")),
        lambda path: path.write_text(path.read_text().replace("convnet", "another")),
        lambda path: path.write_bytes(b"\xff\xfe" * 40),
    ],
)
def test_a_damaged_answer_is_measured_anew(steps, tmp_path, damage):
    steps(fp32=3.0, bf16=1.0)
    settle(work(), "cpu")
    (path,) = (tmp_path / "cache" / "precision").iterdir()
    damage(path)
    taken = steps(fp32=1.0, bf16=4.0)
    assert settle(work(), "cpu").reason.endswith("0.25x as fast as fp32") and taken != []
    assert json.loads(path.read_text())["seconds"] == {"fp32": 1.0, "bf16": 4.0}


def test_a_cache_that_cannot_be_written_is_no_obstacle(monkeypatch):
    def full(path, content):
        raise StorageError("no space")

    monkeypatch.setattr(precision, "write_atomic", full)
    assert remembered({"a": 1}, lambda: {"fp32": 2.0, "bf16": 1.0}) == {"fp32": 2.0, "bf16": 1.0}


@pytest.mark.parametrize("error", [RuntimeError("DefaultCPUAllocator: not enough memory"), MemoryError()])
def test_what_cannot_be_measured_stays_in_float32(monkeypatch, bf16_machine, error, tmp_path):
    def fail(work):
        raise error

    monkeypatch.setattr(probe, "step_of", fail)
    assert settle(work(), "cpu") == Decision("fp32", f"auto: bf16 was not measured, {type(error).__name__}")
    assert not (tmp_path / "cache" / "precision").exists()


def test_work_is_counted():
    """A 3x3 convolution from 3 to 8 channels on 10x10 places, then a linear layer of 8 to 4: 2 FLOP a product."""
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    grouped = nn.Conv2d(8, 8, 3, padding=1, groups=8)
    with counting() as flops:
        model(torch.zeros(5, 3, 10, 10))
        assert flops() == 2 * (8 * 100 * 27 + 8 * 4)
        grouped(torch.zeros(7, 8, 10, 10))
        assert flops() == 2 * 8 * 100 * 9
    model(torch.zeros(1, 3, 10, 10))
    assert flops() == 2 * 8 * 100 * 9


def test_the_plan_says_what_was_taken_and_why(steps):
    spec = config.compose(["model.width=4", "device=cpu", "trainer.epochs=1000000"])
    steps(fp32=3.0, bf16=1.0)
    plan = prepare(spec).plan
    assert plan.training.precision == "bf16"
    machine = dict(plan.lines())["machine"]
    assert machine == "cpu, 1 thread, bf16 (auto: bf16 measured 3.00x as fast as fp32), seed 0"
    assert "precision_reason: 'auto: bf16 measured 3.00x as fast as fp32'" in plan.to_yaml()
    asked = prepare(config.compose(["model.width=4", "device=cpu", "trainer.precision=fp32"])).plan
    assert dict(asked.lines())["machine"] == "cpu, 1 thread, fp32, seed 0"
    kept = prepare(spec, precision="fp32").plan
    assert kept.training.precision == "fp32" and kept.precision_reason == "as at the start"

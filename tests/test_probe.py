import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from cvrun import config, probe
from cvrun.prepare import prepare
from cvrun.probe import Work


def work(*words, **changed) -> Work:
    """A run of digits whose model is said to be so heavy that the run is long."""
    spec = config.compose(["model.width=4", "device=cpu", *words])
    plan = prepare(spec).plan
    long = replace(plan.training, total_steps=10**7)
    found = Work(spec, long, plan.shape, np.ones(10, np.int64), plan.metrics, 1, plan.num_parameters, 1e6)
    return replace(found, **changed)


def test_few_images_of_a_large_model_are_timed():
    """20 GFLOP a step, of which an image takes three times its forward pass."""
    assert work(flops=1e6).num_images == 128
    assert work("trainer.accumulate=4", flops=1e6).num_images == 32
    assert work(flops=5e8).num_images == 13
    assert work(flops=8e9).num_images == 8
    assert work("trainer.batch_size=3", flops=8e9).num_images == 3
    timed = work(flops=5e8)
    # 10**7 steps of 128 images, when 13 take 2 s.
    assert timed.seconds(2.0) == pytest.approx(2.0 * 1e7 * 128 / 13)


def test_a_real_step_is_made_in_the_precision():
    """The model of the run, its loss, and its optimizer, whose rate is so small that the weights stay."""
    seen = []
    step = probe.step_of(work("trainer.batch_size=16"))

    def look(module, given, output):
        if isinstance(module, nn.Conv2d):
            seen.append((tuple(given[0].shape[2:]), len(given[0]), output.dtype))

    handle = nn.modules.module.register_module_forward_hook(look)
    try:
        for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
            seen.clear()
            assert 0 < step(name) < 60
            assert seen[0] == ((8, 8), 16, dtype)
    finally:
        handle.remove()


def test_measuring_leaves_nothing_behind():
    threads = torch.get_num_threads()
    small = work("trainer.batch_size=16", threads=threads + 1)
    before = torch.random.get_rng_state()
    found = probe.measured(small)
    assert set(found) == {"fp32", "bf16"} and all(0 < value < math.inf for value in found.values())
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.get_num_threads() == threads

import contextlib
import json
import math
import os

import numpy as np
import pytest
import torch
from torch import nn

from cvrun import build, config
from cvrun.errors import DataError
from cvrun.images import images_of
from cvrun.prepare import Prepared, prepare
from cvrun.trainer.cost import Cost
from cvrun.trainer.ema import NoEma, WeightEma
from cvrun.trainer.update import update

QUICK = ["model.width=4", "trainer.batch_size=300", "trainer.epochs=2", "logger=[]", "device=cpu"]


class Never:
    requested = False


@pytest.fixture
def built(tmp_path):
    """Builds a run of digits; gives (run, state, prepared)."""
    opened = []

    def of(*words):
        spec = config.compose([*QUICK, f"output_root={tmp_path}", *words])
        prepared = prepare(spec)
        prepared.plan.folder.path.mkdir(parents=True, exist_ok=True)
        recorder = build.build_loggers(prepared.plan)
        opened.append(recorder)
        return *build.build_run(prepared, recorder, None, Never(), Cost()), prepared

    yield of
    for recorder in opened:
        recorder.close()


def weights(state) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in state.model.parameters()])


def test_initial_weights_are_a_function_of_the_seed(built):
    same, again, other = (weights(built(f"seed={seed}")[1]) for seed in (0, 0, 1))
    assert torch.equal(same, again) and not torch.equal(same, other)


def test_initial_weights_do_not_depend_on_what_was_drawn_before(built):
    first = weights(built()[1])
    torch.rand(17)
    assert torch.equal(weights(built("sampler=weighted", "augment=basic")[1]), first)


def test_state_begins_at_nothing(built):
    run, state, prepared = built()
    assert state.step == 0
    assert isinstance(state.ema, NoEma)
    assert not state.scaler.is_enabled()
    assert run.folder == prepared.plan.folder and run.plan == prepared.plan.training
    assert {group["lr"] for group in state.optimizer.param_groups} == {0.1}


def test_average_is_built_when_asked_for(built):
    assert isinstance(built("trainer.ema_decay=0.9")[1].ema, WeightEma)


def test_validation_shows_every_image_once_in_order(built):
    run, _, prepared = built("trainer.eval_batch_size=50")
    batches = list(run.val_batches())
    assert [len(batch) for batch in batches] == [50, 50, 50, 30]
    labels = torch.cat([batch.target for batch in batches]).numpy()
    assert np.array_equal(labels, prepared.manifest.labels[prepared.split.val])
    assert run.val_ids == tuple(prepared.manifest.ids[i] for i in prepared.split.val)


def test_normalization_is_fitted_on_the_training_images_alone(built):
    run, _, prepared = built("normalize=zscore")
    pixels = prepared.manifest.images[prepared.split.train] / 255.0
    found = run.checkpoint_meta["normalization"]
    assert found["mean"] == pytest.approx([pixels.mean()], rel=1e-6)
    assert found["std"] == pytest.approx([pixels.std()], rel=1e-4)


def test_meta_says_what_a_checkpoint_belongs_to(built):
    run, state, prepared = built()
    meta = run.checkpoint_meta
    assert meta["run_id"] == prepared.plan.run_id
    assert meta["classes"] == [str(digit) for digit in range(10)]
    assert meta["form"] == [8, 1, "stretch"]
    assert len(meta["parameters"]) == len(state.model.state_dict())
    assert meta["data_fingerprint"] == prepared.plan.data.data_fingerprint
    assert meta["pixels"]["train"] != meta["pixels"]["val"]


def test_records_are_written_whatever_the_loggers(built, tmp_path):
    _, _, prepared = built("logger=csv")
    recorder = build.build_loggers(prepared.plan)
    recorder.open(build.header(prepared.plan, 0, 0))
    recorder.write({"step": 1, "epoch": 0.25, "time": "now", "val/accuracy": 0.5})
    recorder.close()
    lines = prepared.plan.folder.records.read_text().splitlines()
    assert json.loads(lines[-1])["val/accuracy"] == 0.5


def test_header_is_the_plan(built):
    plan = built()[2].plan
    header = build.header(plan, 3, 3)
    assert (header.step, header.total_steps, header.steps_per_epoch, header.batch_size) == (3, 8, 4, 300)
    assert header.monitor == "val/accuracy" and dict(header.lines)["batch"] == "300 images"


def test_gradients_are_clipped_to_the_norm(built):
    run, _, _ = built("trainer.max_grad_norm=2")
    parameter = nn.Parameter(torch.zeros(4))
    parameter.grad = torch.full((4,), 3.0)  # norm 6
    run.clip([parameter])
    assert parameter.grad.norm().item() == pytest.approx(2.0, rel=1e-5)


def test_gradients_are_left_alone_without_a_norm(built):
    run, _, _ = built()
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([math.inf, 3.0])
    run.clip([parameter])
    assert parameter.grad.tolist() == [math.inf, 3.0]


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_autocast(precision, dtype):
    with build.autocast(precision, torch.device("cpu"))():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
    assert isinstance(build.autocast("fp32", torch.device("cpu"))(), contextlib.nullcontext)


def test_an_image_that_cannot_be_read_is_named(image_folder, tmp_path):
    (image_folder / "cat" / "03.png").write_bytes(b"no image")
    words = ["data=folder", f"data.root={image_folder}", "data.size=8", "trainer.batch_size=8", "split.val=0.2"]
    prepared: Prepared = prepare(config.compose([*QUICK, *words, f"output_root={tmp_path / 'out'}"]))
    parts = {name: rows for name, rows in prepared.split.parts().items() if len(rows)}
    with pytest.raises(DataError, match="cat/03.png"):
        for part in parts:
            images_of(part, prepared.manifest, prepared.split, prepared.plan.spec.settings, lambda line: None)


def test_a_store_holds_the_images_of_its_part(built):
    prepared = built()[2]
    store = images_of("test", prepared.manifest, prepared.split, prepared.plan.spec.settings, lambda line: None)
    assert np.array_equal(store.images.numpy(), prepared.manifest.images[prepared.split.test])


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_step_that_overflows_in_fp16_leaves_no_trace_in_the_optimizer(built, optimizer):
    """That of a fused SGD took the first one into its momentum, as the memory was found."""
    run, state, _ = built("trainer.precision=fp16", f"optimizer={optimizer}")
    batch = next(run.train_batches(0))
    before = weights(state)
    hook = next(state.model.parameters()).register_hook(lambda gradient: gradient * math.inf)
    update(run, state, batch)
    hook.remove()
    assert state.scaler.get_scale() == 32768
    assert state.optimizer.state_dict()["state"] == {}
    assert torch.equal(weights(state), before)
    update(run, state, batch)
    assert len(state.optimizer.state_dict()["state"]) == len(list(state.model.parameters()))
    assert torch.isfinite(weights(state)).all() and not torch.equal(weights(state), before)


def test_strict_kernels_are_those_of_the_run_that_is_built_last(built, monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    try:
        for wanted in (True, False, True):
            run = built(f"deterministic={str(wanted).lower()}")[0]
            assert torch.are_deterministic_algorithms_enabled() is wanted
            assert run.checkpoint_meta["environment"]["deterministic"] == str(wanted)
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    finally:
        torch.use_deterministic_algorithms(False)
        os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)

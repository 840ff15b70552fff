"""A run that is stopped and resumed ends with the same bits as one that is not."""

import json

import pytest

from cvrun import config
from cvrun.build import build_loggers, build_run, header
from cvrun.prepare import address, prepare
from cvrun.trainer.cost import Cost
from cvrun.trainer.evaluate import Interrupted
from cvrun.trainer.loop import moves, restore, save, train
from cvrun.trainer.saver import Saver

EVERYTHING = [
    "name=test",
    "logger=jsonl",
    "augment=basic",
    "augment.crop_padding=1",
    "augment.brightness=0.2",
    "sampler=weighted",
    "model.width=4",
    "model.drop_rate=0.3",
    "optimizer.momentum=0.9",
    "scheduler=plateau",
    "scheduler.patience=1",
    "scheduler.warmup=3st",
    "early_stopping=patience",
    "early_stopping.patience=9",
    "trainer.batch_size=300",
    "trainer.epochs=3",
    "trainer.accumulate=2",
    "trainer.ema_decay=0.9",
    "trainer.max_grad_norm=1",
    "trainer.log_every=1st",
    "trainer.save_every=5st",
    "trainer.eval_every=3st",
    "monitor.metric=val/ema/accuracy",
]


class StopAt:
    """Requests a stop when the run has done `step` updates, or at the `look`-th question."""

    def __init__(self, step=10**9, look=10**9):
        self.step, self.look = step, look
        self.state, self.looks = None, 0

    @property
    def requested(self) -> bool:
        self.looks += 1
        return (self.state is not None and self.state.step >= self.step) or self.looks >= self.look


def go(root, stop, overrides=()) -> dict:
    """Start or go on with the run below root; give its state when it ended or stopped."""
    spec = config.compose([*EVERYTHING, f"output_root={root}", *overrides])
    prepared = prepare(spec)
    address(spec).path.mkdir(parents=True, exist_ok=True)
    recorder = build_loggers(prepared.plan)
    saver = Saver(prepared.plan.folder.checkpoints, "stop", recorder.say)
    run, state = build_run(prepared, recorder, saver, stop, Cost())
    restore(run, state)
    recorder.open(header(prepared.plan, state.step, state.evaluated))
    stop.state = state
    try:
        train(run, state)
    except Interrupted:
        save(run, state)
    saver.finish()
    recorder.close()
    return state.state_dict()


def records(root) -> list[dict]:
    path = next(root.rglob("records.jsonl"))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "time"} for row in rows]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    return go(root, StopAt()), records(root)


def test_the_run_is_long_enough_to_be_stopped_within_epochs(uninterrupted):
    state, rows = uninterrupted
    assert state["step"] == 12
    assert [row["step"] for row in rows] == list(range(1, 13))
    assert sum("val/accuracy" in row for row in rows) == 4


@pytest.mark.parametrize("step", range(1, 12))
def test_resumed_at_any_step_with_any_worker_count_it_is_the_same(uninterrupted, digest, tmp_path, step):
    state, rows = uninterrupted
    go(tmp_path, StopAt(step), ["workers=0"])
    resumed = go(tmp_path, StopAt(), [f"workers={1 + step % 3}"])
    assert digest(resumed) == digest(state)
    assert records(tmp_path) == rows


def test_stopped_at_every_step_it_is_the_same(uninterrupted, digest, tmp_path):
    state, rows = uninterrupted
    for step in range(1, 12):
        go(tmp_path, StopAt(step))
    assert digest(go(tmp_path, StopAt())) == digest(state)
    assert records(tmp_path) == rows


def test_stopped_within_an_evaluation_it_is_the_same(uninterrupted, digest, tmp_path):
    state, rows = uninterrupted
    # The fourth question comes before step 4, the fifth from within the evaluation that follows step 3.
    stopped = go(tmp_path, StopAt(look=4))
    assert (stopped["step"], stopped["evaluated"]) == (3, 0)
    assert digest(go(tmp_path, StopAt())) == digest(state)
    assert records(tmp_path) == rows


def test_a_lost_commit_costs_steps_but_no_bits(uninterrupted, digest, tmp_path):
    state, rows = uninterrupted
    go(tmp_path, StopAt(8))
    newest = max(tmp_path.rglob("step-*"))
    data = bytearray((newest / "state.pt").read_bytes())
    data[len(data) // 2] ^= 1
    (newest / "state.pt").write_bytes(bytes(data))
    assert digest(go(tmp_path, StopAt())) == digest(state)
    assert records(tmp_path) == rows


def test_another_seed_is_another_run(uninterrupted, digest, tmp_path):
    assert digest(go(tmp_path, StopAt(), ["seed=1"])) != digest(uninterrupted[0])


def test_a_run_from_before_there_were_several_devices_had_one():
    here = {"threads": "1", "devices": "1"}
    assert moves({"threads": "1"}, here) == ""
    assert moves({"threads": "1"}, {**here, "devices": "2"}) == "devices 1 -> 2"

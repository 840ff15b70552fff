import json
from pathlib import Path

import pytest

from cvrun import config
from cvrun.build import build_loggers, build_run, header
from cvrun.prepare import prepare
from cvrun.trainer.cost import Cost
from cvrun.trainer.saver import Saver

SMALL = ["name=test", "logger=jsonl", "model.width=4", "trainer.batch_size=300", "trainer.epochs=2"]


class Never:
    requested = False


@pytest.fixture
def start(tmp_path):
    """Gives run and state of a small run on digits, at step 0; the recorder is open."""

    opened = []

    def build(*overrides: str, stop=None, cost=None):
        spec = config.compose([*SMALL, f"output_root={tmp_path / 'out'}", *overrides])
        prepared = prepare(spec)
        prepared.plan.folder.path.mkdir(parents=True, exist_ok=True)
        recorder = build_loggers(prepared.plan)
        saver = Saver(prepared.plan.folder.checkpoints, "stop", recorder.say)
        run, state = build_run(prepared, recorder, saver, stop or Never(), cost or Cost())
        recorder.open(header(prepared.plan, 0, 0))
        opened.append(recorder)
        return run, state

    yield build
    for recorder in opened:
        recorder.close()


def read_records(run) -> list[dict]:
    return [json.loads(line) for line in Path(run.folder.records).read_text().splitlines()]


@pytest.fixture
def records():
    return read_records

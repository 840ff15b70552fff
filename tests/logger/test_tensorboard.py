"""logger=tensorboard: scalars that TensorBoard reads, also after a resume."""

import sys
import time

import pytest

from cvrun.errors import ConfigError
from cvrun.logger import jsonl
from cvrun.logger.tensorboard import Config, build

pytest.importorskip("tensorboard")


def scalars(folder) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def write(folder, header, start, steps, value, taken=None) -> None:
    """Write records as a run does that starts at a step; taken: steps whose records come to the logger."""
    truth, logger = jsonl.build(jsonl.Config(), folder), build(Config(), folder)
    truth.open(header(start))
    logger.open(header(start))
    for step in steps:
        record = {"step": step, "epoch": step / 4, "time": "now", "val/accuracy": value, "train/lr": None}
        truth.write(record)
        if taken is None or step in taken:
            logger.write(record)
    truth.close()
    logger.close()


def test_numbers_are_written_at_their_step(tmp_path, header):
    write(tmp_path, header, 0, (4, 8), 0.5)
    assert scalars(tmp_path) == {"val/accuracy": [(4, 0.5), (8, 0.5)]}


@pytest.mark.parametrize("start", [0, 4, 8])
@pytest.mark.parametrize("later", [2, 0, -3600])
def test_after_a_resume_every_step_is_there_once_whatever_the_clock_says(tmp_path, header, start, later, monkeypatch):
    # The names of event files hold the second.
    real = time.time
    write(tmp_path, header, 0, (4, 8, 12), 0.25)
    monkeypatch.setattr(time, "time", lambda: real() + later)
    write(tmp_path, header, start, [step for step in (4, 8, 12) if step > start], 0.75)
    assert scalars(tmp_path)["val/accuracy"] == [(step, 0.25 if step <= start else 0.75) for step in (4, 8, 12)]


def test_what_a_killed_process_could_not_pass_on_is_there_after_a_resume(tmp_path, header):
    write(tmp_path, header, 0, (4, 8), 0.25, taken=(4,))
    write(tmp_path, header, 8, (12,), 0.75)
    assert scalars(tmp_path)["val/accuracy"] == [(4, 0.25), (8, 0.25), (12, 0.75)]


def test_a_record_that_is_written_while_the_file_is_begun_comes_once(tmp_path, header):
    write(tmp_path, header, 0, (4,), 0.25)
    truth, logger = jsonl.build(jsonl.Config(), tmp_path), build(Config(), tmp_path)
    truth.open(header(4))
    # The run is ahead of the thread in which the logger works.
    truth.write({"step": 8, "val/accuracy": 0.5})
    logger.open(header(4))
    logger.write({"step": 8, "val/accuracy": 0.5})
    truth.close()
    logger.close()
    assert scalars(tmp_path)["val/accuracy"] == [(4, 0.25), (8, 0.5)]


def test_a_record_can_be_read_as_soon_as_it_is_written(tmp_path, header):
    logger = build(Config(), tmp_path)
    logger.open(header())
    logger.write({"step": 4, "val/accuracy": 0.5})
    assert scalars(tmp_path) == {"val/accuracy": [(4, 0.5)]}
    logger.close()


def test_without_the_package_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match="pip install tensorboard"):
        build(Config(), tmp_path)

"""Row 4: a signal to the whole process group, workers included, is a stop and no error."""

import signal
import time

import kit
import pytest


@pytest.mark.parametrize(
    ("number", "when"),
    [
        (signal.SIGTERM, "step.begin@4"),
        (signal.SIGINT, "evaluate.batch@3"),
        (signal.SIGUSR1, "decode.chunk"),
        (signal.SIGTERM, "decode.chunk"),
    ],
)
def test_the_group_stops_and_the_run_ends_the_same(words, whole, tmp_path, number, when):
    # Workers are threads of the process: they are in its group, and decode while the first points are far.
    child = kit.Child((*words, "workers=2"), tmp_path, f"{when}=hang:1")
    folder = tmp_path / "outputs/f"
    child.wait_for(lambda: list(folder.glob("*/spec.yaml")) if when == "decode.chunk" else reached(folder, when))
    time.sleep(0.2)
    child.send(number, group=True)
    said = child.wait(20)
    assert said.code == (130 if number == signal.SIGINT else 143), said.err
    assert "Traceback" not in said.err
    assert kit.status(kit.run_folder(tmp_path))["state"] == "interrupted"
    assert kit.run(words, tmp_path).code == 0
    assert kit.status(kit.run_folder(tmp_path))["digest"] == kit.status(whole)["digest"]
    assert kit.records(kit.run_folder(tmp_path)) == kit.records(whole)


def reached(folder, when: str) -> bool:
    """Whether the run is about to be, or is, where it hangs: three steps are recorded before the fourth begins."""
    wanted = {"step.begin@4": 3, "evaluate.batch@3": 6}.get(when, 0)
    files = list(folder.glob("*/records.jsonl"))
    return bool(files) and len(files[0].read_text().splitlines()) >= wanted - 1

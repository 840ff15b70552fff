import pytest

from cvrun.trainer.cost import Cost
from cvrun.trainer.status import write_status


@pytest.mark.parametrize(
    ("name", "resumable"),
    [("running", True), ("interrupted", True), ("failed", True), ("finished", False), ("diverged", False)],
)
def test_it_says_where_the_run_stands(start, name, resumable):
    cost = Cost(clock=lambda: 100.0)
    cost.add({"spent": {"train": 10.0, "evaluate": 2.5}})
    run, state = start(cost=cost)
    state.step = 6
    state.best.update(0.25, 4)
    write_status(run, state, name, "because", metrics={"val/accuracy": float("nan")})
    status = run.folder.read_status()
    assert (status["state"], status["reason"], status["resumable"]) == (name, "because", resumable)
    assert (status["step"], status["total_steps"], status["epochs"]) == (6, 8, 1.5)
    assert (status["monitor"], status["score"], status["best_step"]) == ("val/accuracy", 0.25, 4)
    assert status["seconds"] == 12.5
    assert status["spent"] == {"preprocess": 0.0, "model": 0.0, "train": 10.0, "evaluate": 2.5}
    assert status["peak_memory"]["host"] > 1 << 20 and "device" not in status["peak_memory"]
    assert status["metrics"] == {"val/accuracy": None}

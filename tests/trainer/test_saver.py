"""Commits beside training: copies that share nothing, order, and errors that surface."""

import errno
import os
import threading

import pytest
import torch

from cvrun import fault
from cvrun.errors import StorageError
from cvrun.trainer import checkpoint, commit
from cvrun.trainer.saver import NoSaver, Saver, copied


@pytest.fixture(autouse=True)
def cleared():
    yield
    fault.arm("")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def saver(tmp_path, said) -> Saver:
    return Saver(tmp_path, "stop", said.append)


@pytest.fixture
def going_on(tmp_path, said) -> Saver:
    return Saver(tmp_path, "go_on", said.append)


def content(step: int) -> dict:
    state = {
        "step": step,
        "model": {"w": torch.full((3,), float(step))},
        "ema": {"model": {"w": torch.zeros(3) - step}},
    }
    return {"meta": {"run_id": "1a2b3c4d"}, "rng_scheme": 1, "state": state}


def nothing() -> None:
    pass


def save(saver: Saver, step: int, best_step: int = 0, then=nothing) -> None:
    """Save, with best weights where best_step is step."""
    best = (0.5, ("state", "model")) if best_step == step else None
    saver.save(step, content(step), best, best_step, then)


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def tensors(value) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    entries = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [tensor for entry in entries for tensor in tensors(entry)]


def everything() -> dict:
    random = torch.Generator().manual_seed(0)
    image = torch.randn(2, 3, 4, 5, generator=random)
    return {
        "plain": torch.randn(4, 3, generator=random),
        "channels last": image.to(memory_format=torch.channels_last),
        "transposed": image.transpose(1, 3),
        "expanded": torch.ones(1).expand(3, 2),
        "0-dim": torch.tensor(3, dtype=torch.int64),
        "empty": torch.zeros(0, 3),
        "bf16": torch.randn(5, generator=random).bfloat16(),
        "bool": torch.tensor([True, False]),
        "parameter": torch.nn.Parameter(torch.randn(2, generator=random)),
        "nested": [{"a": [torch.ones(2), 1.5]}, (torch.zeros(3), "text", None)],
    }


def test_a_copy_is_equal_and_shares_no_memory():
    source = everything()
    copy = copied(source, None)
    mine, theirs = tensors(copy), tensors(source)
    assert len(mine) == len(theirs) == 11
    for one, other in zip(mine, theirs, strict=True):
        assert (one.dtype, one.shape, one.device.type) == (other.dtype, other.shape, "cpu")
        assert torch.equal(one, other) and not one.requires_grad
        # As it lies in memory, which is the fastest to copy; without the holes and overlaps of a view.
        assert one.stride() == torch.empty_like(other).stride() and one.untyped_storage().nbytes() == one.nbytes
        assert one.numel() == 0 or one.untyped_storage().data_ptr() != other.untyped_storage().data_ptr()
    assert copy["nested"][0]["a"][1] == 1.5 and copy["nested"][1][1:] == ("text", None)
    before = [tensor.clone() for tensor in mine]
    for tensor in theirs:
        if 0 not in tensor.stride():
            tensor.detach().zero_()
    assert all(torch.equal(a, b) for a, b in zip(mine, before, strict=True))
    source["nested"][0]["a"].append("later")
    assert len(copy["nested"][0]["a"]) == 2


def test_memory_is_used_again():
    source = everything()
    first = copied(source, None)
    places = [tensor.data_ptr() for tensor in tensors(first)]
    for tensor in (source["plain"], source["bf16"], source["0-dim"]):
        tensor.add_(1)
    second = copied(source, first)
    assert [tensor.data_ptr() for tensor in tensors(second)] == places
    assert all(torch.equal(a, b) for a, b in zip(tensors(second), tensors(source), strict=True))


@pytest.mark.parametrize(
    "earlier",
    [
        {"a": torch.zeros(3), "b": [torch.zeros(2)], "c": torch.zeros(1)},
        {"a": torch.zeros(2, 2), "b": torch.zeros(2)},
        {"a": torch.zeros(2, dtype=torch.float64), "b": [torch.zeros(2), torch.zeros(2)], "d": 3},
        {"a": 3, "b": {"0": torch.zeros(2)}},
        [torch.zeros(2)],
        torch.zeros(2),
    ],
)
def test_an_earlier_copy_of_another_form_changes_nothing(earlier):
    source = {"a": torch.tensor([1.0, 2.0]), "b": [torch.tensor([3.0, 4.0])]}
    copy = copied(source, earlier)
    assert copy.keys() == source.keys()
    assert torch.equal(copy["a"], source["a"]) and copy["a"].dtype == torch.float32
    assert len(copy["b"]) == 1 and torch.equal(copy["b"][0], source["b"][0])


def test_training_may_go_on_while_a_commit_is_written(saver, tmp_path, monkeypatch):
    go, real = threading.Event(), commit.write
    monkeypatch.setattr(commit, "write", lambda *arguments: go.wait(20) and real(*arguments))
    given = content(3)
    saver.save(3, given, (0.5, ("state", "model")), 3, nothing)
    given["state"]["model"]["w"].fill_(99.0)
    given["state"]["step"] = 99
    saver.look()
    assert names(tmp_path) == []
    go.set()
    saver.finish()
    state = checkpoint.read(tmp_path / "step-00000003")["state"]
    assert (state["step"], state["model"]["w"].tolist()) == (3, [3.0] * 3)
    assert checkpoint.read(tmp_path / "best-00000003")["model"]["w"].tolist() == [3.0] * 3


def test_best_weights_come_before_the_state_that_names_them(saver, tmp_path, monkeypatch):
    written, real = [], commit.write
    monkeypatch.setattr(commit, "write", lambda target, *more: written.append(target.name) or real(target, *more))
    save(saver, 1, best_step=1, then=lambda: written.append("then"))
    save(saver, 2, best_step=1, then=lambda: written.append("then"))
    saver.finish()
    assert written == ["best-00000001", "step-00000001", "then", "step-00000002", "then"]


def test_the_keys_lead_to_the_weights(saver, tmp_path):
    saver.save(4, content(4), (0.75, ("state", "ema", "model")), 4, nothing)
    saver.finish()
    best = checkpoint.read(tmp_path / "best-00000004")
    assert (best["score"], best["model"]["w"].tolist()) == (0.75, [-4.0] * 3)


def test_one_commit_at_a_time(saver, tmp_path, monkeypatch):
    under_way, most, real = [], [], commit.write

    def write(*arguments):
        under_way.append(1)
        most.append(len(under_way))
        real(*arguments)
        under_way.pop()

    monkeypatch.setattr(commit, "write", write)
    for step in range(1, 6):
        save(saver, step)
    saver.finish()
    assert most == [1] * 5
    assert names(tmp_path) == ["last", "step-00000004", "step-00000005"]


def test_what_was_gone_on_from_stays(saver, tmp_path):
    save(saver, 1)
    saver.finish()
    saver.protect(("step-00000001",))
    for step in (2, 3, 4):
        save(saver, step)
    saver.finish()
    assert names(tmp_path) == ["last", "step-00000001", "step-00000003", "step-00000004"]


def ways():
    """What makes an error of the other thread come out: after it has ended, except for look, all of them wait."""
    return {
        "look": lambda saver: (saver._thread.join(), saver.look()),
        "wait": lambda saver: saver.wait(),
        "save": lambda saver: save(saver, 2),
        "finish": lambda saver: saver.finish(),
        "leave": lambda saver: saver.__exit__(None, None, None),
    }


@pytest.mark.parametrize("way", ways())
@pytest.mark.parametrize(("action", "kind"), [("enospc", StorageError), ("raise", RuntimeError), ("oom", MemoryError)])
def test_an_error_surfaces_once(saver, tmp_path, said, way, action, kind):
    fault.arm(f"checkpoint.mid_write={action}")
    save(saver, 1)
    with pytest.raises(kind):
        ways()[way](saver)
    assert said == []
    saver.look()
    saver.wait()


@pytest.mark.parametrize("way", ["look", "wait", "leave"])
def test_a_full_disk_is_said_when_the_run_is_to_go_on(going_on, tmp_path, said, way):
    fault.arm("checkpoint.mid_write@3=enospc")
    save(going_on, 1)
    going_on.finish()
    save(going_on, 2)
    ways()[way](going_on) if way != "leave" else going_on.__exit__(None, None, None)
    (line,) = said
    assert line.startswith("warning: ") and "No space left on device" in line and "bytes, " in line
    assert line.endswith("step 2 is not committed, training goes on")
    with pytest.raises(StorageError):
        going_on.finish()
    save(going_on, 3)
    going_on.finish()
    assert len(said) == 1
    assert names(tmp_path) == ["last", "step-00000001", "step-00000003"]


@pytest.mark.parametrize("action", ["raise", "oom"])
def test_going_on_is_for_full_disks_alone(going_on, said, action):
    fault.arm(f"checkpoint.mid_write={action}")
    save(going_on, 1)
    with pytest.raises((RuntimeError, MemoryError)):
        going_on.wait()
    assert said == []


def test_best_weights_that_could_not_be_written_come_with_the_next_state(going_on, tmp_path, said):
    """No state may name weights that are not there, though a later evaluation was no improvement."""
    fault.arm("checkpoint.mid_write@1=enospc,checkpoint.mid_write@2=enospc")
    save(going_on, 1, best_step=1)
    save(going_on, 2, best_step=1)
    going_on.wait()
    assert names(tmp_path) == [] and len(said) == 2
    save(going_on, 3, best_step=1)
    save(going_on, 4, best_step=1)
    going_on.finish()
    assert names(tmp_path) == ["best-00000001", "last", "step-00000003", "step-00000004"]
    best = checkpoint.read(tmp_path / "best-00000001")
    assert (best["step"], best["score"], best["model"]["w"].tolist()) == (1, 0.5, [1.0] * 3)


def test_better_weights_take_the_place_of_those_that_could_not_be_written(going_on, tmp_path):
    fault.arm("checkpoint.mid_write=enospc")
    save(going_on, 1, best_step=1)
    save(going_on, 2, best_step=2)
    going_on.finish()
    assert names(tmp_path) == ["best-00000002", "last", "step-00000002"]


def test_a_state_that_failed_after_its_best_weights(going_on, tmp_path):
    # Visits: the weights' two files, their manifest, the state.
    fault.arm("checkpoint.mid_write@4=enospc")
    save(going_on, 1, best_step=1)
    save(going_on, 2, best_step=1)
    going_on.finish()
    assert names(tmp_path) == ["best-00000001", "last", "step-00000002"]


def test_leaving_waits(tmp_path, said):
    with Saver(tmp_path, "stop", said.append) as saver:
        save(saver, 1)
    assert names(tmp_path) == ["last", "step-00000001"] and saver._thread is None


def test_leaving_raises_the_error_of_the_last_commit(tmp_path, said):
    fault.arm("checkpoint.mid_write=enospc")
    with pytest.raises(StorageError, match="No space left"), Saver(tmp_path, "stop", said.append) as saver:
        save(saver, 1)


def test_leaving_does_not_mask_the_first_error(tmp_path, said):
    fault.arm("checkpoint.mid_write=enospc")
    with pytest.raises(KeyError, match="first"), Saver(tmp_path, "stop", said.append) as saver:
        save(saver, 1)
        raise KeyError("first")
    (line,) = said
    assert line.startswith("the last commit failed as well: ") and "No space left on device" in line


def test_what_cannot_be_removed_is_said_in_the_thread_that_asks(saver, tmp_path, said, monkeypatch):
    def refuse(path, *more, **options):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    for step in (1, 2):
        save(saver, step)
    saver.finish()
    threads = []
    saver._say = lambda line: said.append(line) or threads.append(threading.current_thread())
    monkeypatch.setattr(checkpoint.shutil, "rmtree", lambda path, **options: None if options else refuse(path))
    save(saver, 3)
    saver.finish()
    assert said == [f"{tmp_path}/step-00000001: cannot be removed (Operation not permitted)"]
    assert threads == [threading.main_thread()]


def test_a_process_that_does_not_write_saves_nothing():
    def fail(*arguments):
        pytest.fail("it was called")

    with NoSaver() as saver:
        saver.protect(["step-00000001"])
        saver.save(1, {"state": {}}, None, 0, fail)
        saver.look()
        saver.wait()
        saver.finish()


def test_as_many_states_stay_as_are_wanted(tmp_path):
    with Saver(tmp_path, "stop", print, keep=3, counts=lambda step: step != 4) as saver:
        for step in (1, 2, 3, 4, 5, 6):
            save(saver, step)
        saver.finish()
    assert [name for name in names(tmp_path) if name.startswith("step")] == [f"step-0000000{n}" for n in (3, 5, 6)]

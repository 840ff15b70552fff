"""cvrun verify: every hash, and the same bits again."""

import json

import pytest


def row(out: str, name: str) -> list[str]:
    (line,) = (line for line in out.splitlines() if line.startswith(name))
    return line.split()


def test_a_whole_run_is_ok_in_every_row(call, finished, tools):
    before = tools.files(finished)
    said = call("verify", finished)
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()[2:]
    assert [line.split()[1] for line in lines] == ["ok"] * len(lines)
    assert row(said.out, "checkpoints/step-00000012")[3] == tools.status(finished)["digest"][:16]
    assert row(said.out, "checkpoints/last")[2] == "step-00000012"
    assert tools.files(finished) == before


FILES = [
    "checkpoints/step-00000012/state.pt",
    "checkpoints/step-00000008/manifest.json",
    "checkpoints/best-*/model.safetensors",
    "checkpoints/best-*/about.json",
    "checkpoints/last",
    "plan.yaml",
    "records.jsonl",
]


@pytest.mark.parametrize("pattern", FILES)
def test_what_is_damaged_is_named(call, finished, pattern):
    path = max(finished.glob(pattern))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x80
    path.write_bytes(data)
    said = call("verify", finished)
    assert said.code == 4
    assert "1 of " in said.err
    name = path.relative_to(finished).as_posix() if "last" in pattern or path.parent == finished else path.parent.name
    assert row(said.out, name if "/" in name or path.parent == finished else f"checkpoints/{name}")[1] == "damaged"


def test_a_state_that_is_not_the_one_of_the_end_is_found(call, finished, tools):
    status = tools.status(finished)
    (finished / "status.json").write_text(json.dumps({**status, "digest": "0" * 64}))
    said = call("verify", finished)
    assert said.code == 4
    assert "its digest is not the one in status.json" in said.out


def test_a_replay_has_the_same_bits_and_leaves_the_run_as_it_is(call, finished, tools):
    before = tools.files(finished)
    said = call("verify", finished, "--replay")
    assert said.code == 0
    assert "replayed steps 0 to 12" in said.out
    assert f"the same bits, 3 records and digest {tools.status(finished)['digest'][:16]}" in said.out
    assert tools.files(finished) == before


def test_a_replay_of_a_run_that_was_stopped_ends_where_it_stopped(call, interrupted):
    said = call("verify", interrupted, "--replay")
    assert said.code == 0
    assert "replayed steps 0 to 6" in said.out


def test_a_replay_can_begin_at_a_kept_state(call, finished):
    assert "replayed steps 8 to 12" in call("verify", finished, "--replay", "--since", 8).out
    said = call("verify", finished, "--replay", "--since", 7)
    assert said.code == 4
    assert "step-00000007: not a whole checkpoint" in said.err


def test_other_bits_are_found_and_their_place_is_named(call, finished, tools, monkeypatch):
    from cvrun.trainer import loop

    real = loop.update

    def update(run, state, batch):
        loss = real(run, state, batch)
        if state.step == 12:
            state.optimizer.param_groups[0]["momentum"] += 1e-9
        return loss

    monkeypatch.setattr(loop, "update", update)
    said = call("verify", finished, "--replay")
    assert said.code == 4
    assert "the bits are others, first in optimizer.param_groups" in said.err


def test_other_threads_are_said(call, finished):
    said = call("verify", finished, "--replay", "--set", "threads=2")
    assert "threads 1 -> 2: the same bits are not to be expected" in said.err


def test_a_changed_run_is_replayed_from_the_change_on(call, finished):
    assert call("resume", finished, "trainer.epochs=4").code == 0
    said = call("verify", finished, "--replay")
    assert said.code == 2
    assert "--since STEP from 12 on" in said.err
    assert "replayed steps 12 to 16" in call("verify", finished, "--replay", "--since", 12).out


def test_wrong_words_are_refused(call, finished, tmp_path):
    assert "expected --replay beside" in call("verify", finished, "--since", 8).err
    assert call("verify", tmp_path / "nowhere").code == 2


def test_a_replay_of_nothing_is_refused(call, finished):
    said = call("verify", finished, "--replay", "--since", 12)
    assert said.code == 2
    assert "is at 12" in said.err


def test_another_last_evaluation_is_no_other_training(call, finished):
    assert call("resume", finished, "tta=hflip").code == 0
    assert "replayed steps 0 to 12" in call("verify", finished, "--replay").out


def test_a_commit_that_a_running_run_drops_meanwhile_is_no_damage(call, finished, monkeypatch):
    from cvrun.folder import RunFolder
    from cvrun.trainer import checkpoint

    gone = finished / "checkpoints" / "step-00000004"
    real = checkpoint.commits
    monkeypatch.setattr(
        checkpoint, "commits", lambda folder, kind: [*real(folder, kind), *([gone] if kind == "step" else [])]
    )
    assert call("verify", finished).code == 4
    with RunFolder(finished).hold():
        assert call("verify", finished).code == 0


def test_the_lines_of_opened_test_sets_are_checked(call, finished):
    assert "test.jsonl" not in call("verify", finished).out
    assert call("test", finished, "--unseal").code == 0
    said = call("verify", finished)
    assert said.code == 0 and "1 openings of test sets, as test-ledger.jsonl has them" in said.out
    (finished.parents[1] / "test-ledger.jsonl").unlink()
    said = call("verify", finished)
    assert said.code == 4 and "line 1 of" in said.out and "1 of" in said.err

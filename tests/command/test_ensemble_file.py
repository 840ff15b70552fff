"""ensemble.json: what was written is read, and nothing else."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cvrun.command._ensemble_file import GREEDY, NAME, Ensemble, Part, content, read
from cvrun.errors import CheckpointError


@pytest.fixture
def ensemble(tmp_path) -> Ensemble:
    parts = tuple(Part(tmp_path / "runs" / name, name, 7, name * 8, k) for k, name in enumerate("abc"))
    return Ensemble(parts, GREEDY, False, ("cat", "dog"))


def written(ensemble, folder, **more) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / NAME).write_bytes(content(ensemble, folder, more))
    return folder / NAME


def test_what_was_written_is_read(ensemble, tmp_path):
    path = written(ensemble, tmp_path / "e", note="for people")
    assert read(path) == ensemble
    found = json.loads(path.read_text())
    assert (found["note"], found["id"], found["members"][1]["run"]) == ("for people", ensemble.id, "../runs/b")
    assert [row["share"] for row in found["members"]] == [0, 1 / 3, 2 / 3]


def test_runs_are_found_beside_it_wherever_both_lie(ensemble, tmp_path):
    path = written(ensemble, tmp_path / "e")
    (tmp_path / "deep").mkdir()
    (tmp_path / "e").rename(tmp_path / "deep" / "e")
    assert [part.run for part in read(tmp_path / "deep" / "e" / NAME).parts] == [
        tmp_path / "deep" / "runs" / name for name in "abc"
    ]
    assert not path.exists()
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "e")
    assert read(tmp_path / "link" / NAME).parts[0].run == tmp_path / "deep" / "runs" / "a"


def test_the_id_is_that_of_what_is_predicted(ensemble, tmp_path):
    elsewhere = replace(ensemble, parts=tuple(replace(part, run=tmp_path / part.run_id) for part in ensemble.parts))
    assert elsewhere.id == ensemble.id and len(ensemble.id) == 8
    more = replace(ensemble.parts[0], picks=1)
    other = replace(ensemble.parts[0], weights="0")
    others = {
        replace(ensemble, merge="mean").id,
        replace(ensemble, tta=True).id,
        replace(ensemble, classes=("dog", "cat")).id,
        replace(ensemble, parts=(more, *ensemble.parts[1:])).id,
        replace(ensemble, parts=(other, *ensemble.parts[1:])).id,
    }
    assert len(others | {ensemble.id}) == 6


def test_only_runs_that_count_are_merged(ensemble):
    b, c = np.array([[0.9, 0.1]], np.float32), np.array([[0.3, 0.7]], np.float32)
    assert [part.run_id for part in ensemble.used] == ["b", "c"]
    assert ensemble.merge_used([b, c]) == pytest.approx(np.array([[0.5, 0.5]]))
    assert ensemble.merge_used([b, c]).dtype == np.float32
    votes = replace(ensemble, merge="vote").merge_used([b, c])
    assert votes == pytest.approx(np.array([[1 / 3, 2 / 3]]))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": 2}, "no ensemble of format 1"),
        ({"format": True}, "no ensemble of format 1"),
        ({"classes": []}, "classes"),
        ({"classes": [1]}, "classes"),
        ({"merge": "median"}, "merge"),
        ({"merge": ["mean"]}, "merge"),
        ({"tta": 1}, "tta"),
        ({"members": []}, "members"),
        ({"members": [[], []]}, "a member has not"),
        ({"members": [{"run": "a", "run_id": "a", "step": 1, "weights": "a", "picks": True}] * 2}, "a member has not"),
        ({"members": [{"run": "a", "run_id": "a", "step": 1, "weights": "a", "picks": -1}] * 2}, "picks"),
        ({"members": [{"run": "a", "run_id": "a", "step": 1, "weights": "a", "picks": 10**30}] * 2}, "picks"),
        ({"members": [{"run": "a\0", "run_id": "a", "step": 1, "weights": "a", "picks": 1}] * 2}, "folder"),
        ({"members": [{"run": "a" * 300, "run_id": "a", "step": 1, "weights": "a", "picks": 1}] * 2}, "folder"),
        ({"members": [{"run": "a/" * 3000, "run_id": "a", "step": 1, "weights": "a", "picks": 1}] * 2}, "folder"),
        ({"members": [{"run": "a", "run_id": "a", "step": 1, "weights": "a", "picks": 0}] * 2}, "no member counts"),
        ({"merge": "mean"}, "changed since"),
        ({"id": "00000000"}, "changed since"),
    ],
)
def test_another_file_is_refused(ensemble, tmp_path, change, reason):
    path = written(ensemble, tmp_path / "e")
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(CheckpointError, match=reason) as error:
        read(path)
    assert str(error.value).count("\n") == 0 and "cvrun ensemble" in str(error.value)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "[" * 100_000, "\ud800".encode("utf-8", "surrogatepass")])
def test_what_is_no_json_object_is_refused(tmp_path, text):
    (tmp_path / NAME).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CheckpointError, match=r"expected what cvrun ensemble writes"):
        read(tmp_path / NAME)
    with pytest.raises(CheckpointError, match="No such file"):
        read(tmp_path / "nowhere")

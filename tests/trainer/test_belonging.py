import copy

import pytest

from cvrun.errors import CheckpointError
from cvrun.trainer.belonging import check_meta, require_own_split


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ["0", "two", "1"]}, "its classes is '1' at 1, expected 'two'"),
        ({"classes": ["0", "1"]}, "its classes is '2' at 2, expected 'nothing'"),
        ({"run_id": "00000000"}, "its run_id is 1a2b3c4d, expected 00000000"),
        ({"pixels": {"train": "q"}}, "its pixels is {'train': 'p'}, expected {'train': 'q'}"),
        ({"pixels": {"train": "q", "val": ""}}, "its pixels is {'train': 'p'}, expected {'train': 'q'}"),
        (
            {"normalization": {"kind": "affine", "mean": [0.5], "std": [0.5], "split": "s"}},
            r"its normalization is 'std \[0.25\]' at 2, expected 'std \[0.5\]'",
        ),
        ({"normalization": {"kind": "curve", "function": "tanh", "scale": 2.0}}, "its normalization is .*affine"),
        ({"parameters": ["w (3, 3)"]}, r"its parameters is 'w \(2, 3\)' at 0, expected 'w \(3, 3\)'"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(change, message):
    saved = {
        "run_id": "1a2b3c4d",
        "classes": ["0", "1", "2"],
        "data_fingerprint": "d",
        "split_fingerprint": "s",
        "pixels": {"train": "p"},
        "normalization": {"kind": "affine", "mean": [0.5], "std": [0.25], "split": "s"},
        "parameters": ["w (2, 3)"],
    }
    check_meta("x", saved, copy.deepcopy(saved))
    # Pixels that are decoded as they are needed are not known.
    check_meta("x", saved, {**saved, "pixels": {"train": ""}})
    check_meta("x", {**saved, "pixels": {"train": ""}}, saved)
    with pytest.raises(CheckpointError, match=message) as caught:
        check_meta("x", saved, {**saved, **change})
    assert caught.value.exit_code == 4


def test_the_normalization_of_an_older_run_has_no_kind_and_no_split():
    new = {"kind": "affine", "mean": [0.5], "std": [0.25], "split": "s"}
    names = ("run_id", "classes", "data_fingerprint", "split_fingerprint", "pixels", "parameters")
    saved = {**dict.fromkeys(names, "same"), "normalization": {"mean": [0.5], "std": [0.25]}}
    check_meta("x", saved, {**saved, "normalization": new})
    require_own_split("x", saved)


def test_a_normalization_of_another_split_is_refused():
    saved = {"split_fingerprint": "s", "normalization": {"split": "s"}}
    require_own_split("x", saved)
    for other in ("t", 7, ["s"]):
        with pytest.raises(CheckpointError, match="x: its normalization was fitted on split .*, expected s;"):
            require_own_split("x", {**saved, "normalization": {"split": other}})

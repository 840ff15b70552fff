import copy

import pytest

from cvrun.errors import CheckpointError
from cvrun.trainer.belonging import check_meta


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ["0", "two", "1"]}, "its classes is '1' at 1, expected 'two'"),
        ({"classes": ["0", "1"]}, "its classes is '2' at 2, expected 'nothing'"),
        ({"run_id": "00000000"}, "its run_id is 1a2b3c4d, expected 00000000"),
        ({"pixels": {"train": "q"}}, "its pixels is {'train': 'p'}, expected {'train': 'q'}"),
        ({"pixels": {"train": "q", "val": ""}}, "its pixels is {'train': 'p'}, expected {'train': 'q'}"),
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
        "parameters": ["w (2, 3)"],
    }
    check_meta("x", saved, copy.deepcopy(saved))
    # Pixels that are decoded as they are needed are not known.
    check_meta("x", saved, {**saved, "pixels": {"train": ""}})
    check_meta("x", {**saved, "pixels": {"train": ""}}, saved)
    with pytest.raises(CheckpointError, match=message) as caught:
        check_meta("x", saved, {**saved, **change})
    assert caught.value.exit_code == 4

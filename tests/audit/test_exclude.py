import csv
import io

import numpy as np
from planted import picture, reencoded

from cvrun.audit.examine import examine
from cvrun.audit.exclude import table, to_leave_out
from cvrun.split import Split


def test_what_is_further_from_the_test_goes(listed):
    many = {f"{i:02d}.png": (picture(100 + i), "ab"[i % 2]) for i in range(20)}
    images = {
        "one.png": (picture(0), "a"),
        "two.png": (picture(0), "a"),
        "three.png": (picture(1), "a"),
        "four.jpg": (reencoded(picture(1), 90), "a"),
        "broken.png": (b"x", "a"),
        "broken too.png": (b"x", "a"),
        **many,
    }
    manifest = listed(images)
    split = Split(np.array([0, 4, *range(6, 26)]), np.array([1, 2]), np.array([3, 5]))
    audit = examine(manifest, split, ("train", "val", "test"), 2, 60.0)
    found = to_leave_out(audit)
    assert list(found) == [4, 0, 2]
    assert found[0] == "identical to two.png in val"
    assert found[2].startswith("copy (r 0.99") and found[2].endswith(") of four.jpg in test")
    assert found[4].startswith("cannot be used: cannot be decoded")


def test_the_table_keeps_what_was_left_out_before_and_runs_no_formula(listed):
    many = {f"{i:02d}.png": (picture(100 + i), "ab"[i % 2]) for i in range(20)}
    manifest = listed({"=one.png": (picture(0), "a"), "two.png": (picture(0), "a"), **many})
    split = Split(np.array([0, *range(3, 22)]), np.array([1]), np.array([], dtype=np.int64))
    audit = examine(manifest, split, ("train", "val"), 2, 60.0)
    content, added = table(audit, {2: "out of focus"})
    assert added == 1
    assert list(csv.reader(io.StringIO(content.decode()))) == [
        ["path", "reason"],
        ["00.png", "out of focus"],
        ["'=one.png", "identical to two.png in val"],
    ]

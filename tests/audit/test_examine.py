import numpy as np
from planted import picture

from cvrun.audit.examine import examine
from cvrun.split import Split


def test_only_the_named_parts_are_looked_at(listed):
    manifest = listed({f"{i}.png": (picture(i), "ab"[i % 2]) for i in range(6)})
    split = Split(np.array([0, 1, 4]), np.array([2]), np.array([3, 5]))
    for position in (3, 5):
        manifest.paths[position].unlink()
    audit = examine(manifest, split, ("train", "val"), 2, 60.0)
    assert (audit.notes["reason"] == b"").all() and audit.positions.tolist() == [0, 1, 4, 2]
    assert audit.rows(1).tolist() == [3] and audit.labels.tolist() == [0, 1, 0, 0]
    assert (audit.name(3), audit.label(1), audit.part(3)) == ("2.png", "b", "val")

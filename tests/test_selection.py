import numpy as np

from cvrun import config
from cvrun.selection import facts, select


def test_all_images_of_the_source_are_in_one_part_each():
    found = select(config.compose(["data=digits", "split.val=0.2", "split.test=0.1"]))
    parts = found.split.parts()
    assert {name: len(rows) for name, rows in parts.items()} == {"train": 1258, "val": 359, "test": 180}
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(1797))


def test_facts_count_what_was_selected():
    found = select(config.compose(["data=digits"]))
    known = facts(found)
    assert {name: sum(counts) for name, counts in known.counts.items()} == {
        name: len(rows) for name, rows in found.split.parts().items()
    }
    assert known.classes == tuple("0123456789") and known.groups == {}

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cvrun.data import ImageForm, Manifest, class_order
from cvrun.errors import ConfigError, DataError


def embedded(labels: list[int], ids: list[str] | None = None) -> Manifest:
    images = np.arange(len(labels) * 4, dtype=np.uint8).reshape(-1, 2, 2, 1)
    names = tuple(ids or [str(i) for i in range(len(labels))])
    return Manifest(names, np.array(labels), ("a", "b"), ImageForm(2, 1, "stretch"), images=images)


def test_classes_are_sorted() -> None:
    assert class_order(["dog", "cat", "dog"], None, "x") == ("cat", "dog")


def test_whole_numbers_are_sorted_by_value() -> None:
    assert class_order(["10", "9", "-1", "0"], None, "x") == ("-1", "0", "9", "10")
    assert class_order(["10", "9", "a"], None, "x") == ("10", "9", "a")


def test_an_explicit_order_is_kept() -> None:
    assert class_order(["cat"], ["dog", "cat"], "x") == ("dog", "cat")


def test_an_unknown_class_names_the_nearest() -> None:
    with pytest.raises(DataError, match="class 'dgo', expected one of .*did you mean 'dog'"):
        class_order(["dgo"], ["dog", "cat"], "x")


@pytest.mark.parametrize("wanted", [[], ["a", "a"]])
def test_an_explicit_order_has_each_name_once(wanted: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"^data\.classes="):
        class_order([], wanted, "x")


def test_a_label_out_of_range_is_refused() -> None:
    with pytest.raises(DataError, match=r"label 2, expected 0 to 1"):
        embedded([0, 2])


def test_an_id_that_stands_twice_is_refused() -> None:
    with pytest.raises(DataError, match="x is listed twice"):
        embedded([0, 1], ["x", "x"])


def test_the_fingerprint_covers_the_chosen_entries_alone() -> None:
    first, second = embedded([0, 1, 0]), embedded([0, 1, 1])
    chosen, everything = np.array([0, 1]), np.arange(3)
    assert first.fingerprint(chosen) == second.fingerprint(chosen)
    assert first.fingerprint(everything) != second.fingerprint(everything)


def test_the_fingerprint_of_a_missing_file_is_a_data_error(tmp_path: Path) -> None:
    manifest = Manifest(("a",), np.array([0]), ("a",), ImageForm(2, 1, "stretch"), paths=(tmp_path / "a.png",))
    with pytest.raises(DataError, match=r"a\.png: cannot be read"):
        manifest.fingerprint(np.array([0]))


def test_the_fingerprint_follows_the_hash_that_a_file_must_have(tmp_path: Path) -> None:
    paths = (tmp_path / "a.png", tmp_path / "b.png")
    for path in paths:
        path.write_bytes(b"x")
    plain = Manifest(("a", "b"), np.array([0, 0]), ("c",), ImageForm(2, 1, "stretch"), paths=paths)
    found = [
        replace(plain, hashes=hashes).fingerprint(np.array([0])) for hashes in (("1", "2"), ("1", "3"), ("4", "2"))
    ]
    assert found[0] == found[1] != found[2]
    assert plain.fingerprint(np.array([0])) not in found

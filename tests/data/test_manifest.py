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


def test_a_form_without_a_range_is_named_as_before() -> None:
    """Fingerprints of data, and so what runs belong to, are made from this text."""
    form = ImageForm(32, 3, "crop")
    assert repr(form) == "ImageForm(size=32, channels=3, fit='crop')"
    assert repr(replace(form, value_range=(0.0, 4095.0))).endswith("fit='crop', value_range=(0.0, 4095.0))")
    deep = replace(embedded([0, 1]), form=ImageForm(2, 1, "stretch", (0.0, 1.0)))
    assert deep.fingerprint(np.arange(2)) != embedded([0, 1]).fingerprint(np.arange(2))


@pytest.mark.parametrize(
    ("form", "saved"),
    [
        (ImageForm(32, 3, "crop"), [32, 3, "crop"]),
        (ImageForm(8, 5, "pad", (-1.0, 2.5)), [8, 5, "pad", -1.0, 2.5]),
    ],
)
def test_a_form_is_read_as_it_was_saved(form: ImageForm, saved: list[object]) -> None:
    assert form.saved() == saved
    assert ImageForm.of_saved(saved) == form


class Members:
    def read(self, position: int) -> bytes:
        raise AssertionError("opened")

    def size(self, position: int) -> int:
        return 10 + position

    def origin(self, position: int) -> str:
        return ""


def test_images_inside_other_files_count_with_their_length_and_are_not_opened(tmp_path: Path) -> None:
    """As files of their own of that length do."""
    ids, labels, form = ("a", "b"), np.array([0, 1]), ImageForm(2, 1, "stretch")
    for i in range(2):
        (tmp_path / ids[i]).write_bytes(b"x" * (10 + i))
    inside = Manifest(ids, labels, ("a", "b"), form, encoded=Members())
    files = Manifest(ids, labels, ("a", "b"), form, paths=tuple(tmp_path / name for name in ids))
    assert inside.num_bytes(1) == files.num_bytes(1) == 11
    assert inside.fingerprint(np.arange(2)) == files.fingerprint(np.arange(2))


def test_a_missing_file_that_may_not_be_named_is_not(tmp_path: Path) -> None:
    hidden = Manifest(("7f3a",), np.array([0]), ("a",), ImageForm(2, 1, "pad"), paths=(tmp_path / "x",), named=False)
    with pytest.raises(DataError, match=r"^image 7f3a: cannot be read \(No such file or directory\)"):
        hidden.fingerprint(np.arange(1))


def test_the_fingerprint_follows_the_weights_of_the_chosen_entries() -> None:
    plain, chosen = embedded([0, 1]), np.array([0])
    found = [replace(plain, weights=np.array(w)).fingerprint(chosen) for w in ([1.0, 2.0], [1.0, 3.0], [1.5, 2.0])]
    assert found[0] == found[1] != found[2]
    assert plain.fingerprint(chosen) not in found
    # Of cvrun at 9ee2e90: runs over data without weights are found again.
    assert plain.fingerprint(chosen).startswith("d857eaa82ec0ba54")

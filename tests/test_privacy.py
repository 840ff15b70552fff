import numpy as np
import pytest

from cvrun.data import ImageForm, Manifest
from cvrun.data._hashed import hashed_name
from cvrun.errors import DataError
from cvrun.exclusion import exclusions
from cvrun.privacy import hashed, hiding, listing, masked
from cvrun.split import frozen


@pytest.fixture
def manifest(tmp_path):
    ids = ("scans/smith-1.png", "scans/smith-2.png", "scans/jones-1.png")
    groups = ("smith", "smith", "jones")
    columns = {"patient": groups, "file": ids, "site": ("north", "south", "north"), "empty": ("", "", "")}
    paths = tuple(tmp_path / name for name in ids)
    form = ImageForm(4, 1, "stretch")
    return Manifest(ids, np.array([0, 1, 0]), ("a", "b"), form, paths=paths, groups=groups, columns=columns)


def test_names_go_and_all_else_stays(manifest):
    hidden = hashed(manifest)
    assert hidden.ids == tuple(map(hashed_name, manifest.ids))
    assert hidden.groups == (hashed_name("smith"), hashed_name("smith"), hashed_name("jones"))
    assert hidden.columns["patient"] == hidden.groups
    assert hidden.columns["file"] == hidden.ids
    assert hidden.columns["site"] == manifest.columns["site"]
    assert hidden.columns["empty"] == ("", "", "")
    assert hidden.paths == manifest.paths
    assert not hidden.named
    assert hidden.where(0) == f"image {hashed_name('scans/smith-1.png')}"


def test_a_missing_file_is_not_named(manifest):
    with pytest.raises(DataError) as caught:
        hashed(manifest).fingerprint(np.array([2]))
    assert "jones" not in str(caught.value)
    assert hashed_name("scans/jones-1.png") in str(caught.value)


def test_in_a_message_whole_names_are_replaced_the_longest_first(manifest):
    text = "group 'smith': /data/scans/smith-1.png and smithson, blacksmith"
    a, b = hashed_name("smith"), hashed_name("scans/smith-1.png")
    assert masked(text, manifest) == f"group '{a}': /data/{b} and smithson, blacksmith"


def test_an_error_keeps_its_kind_and_loses_the_names(manifest):
    with pytest.raises(DataError) as caught, hiding(manifest, True):
        raise DataError("group 'jones' is in train and in val")
    assert str(caught.value) == f"group '{hashed_name('jones')}' is in train and in val"
    with pytest.raises(DataError, match="'jones'"), hiding(manifest, False):
        raise DataError("group 'jones' is in train and in val")


def test_what_a_source_says_of_its_entries_is_kept_back_and_of_its_keys_is_not():
    with pytest.raises(DataError) as caught, listing(True):
        raise DataError("/data/manifest.csv row 10, column 'path': 'smith.png', expected an image file")
    assert "smith" not in str(caught.value)
    assert "the data cannot be listed, row 10; " in str(caught.value)
    with pytest.raises(DataError, match="^data.root=x: no such folder$"), listing(True):
        raise DataError("data.root=x: no such folder")
    with pytest.raises(DataError, match="^data: smith.png is listed twice$"), listing(False):
        raise DataError("data: smith.png is listed twice")


def test_names_that_the_data_do_not_have_go_as_well(manifest, tmp_path):
    table = tmp_path / "out.csv"
    table.write_text("path,reason\nscans/doe-9.png,blurred\n")
    with pytest.raises(DataError) as caught, hiding(manifest, True):
        exclusions(manifest, str(table))
    assert "doe" not in str(caught.value) and hashed_name("scans/doe-9.png") in str(caught.value)
    file = tmp_path / "split.csv"
    file.write_text("path,part\nscans/doe-9.png,train\n")
    with pytest.raises(DataError) as caught, hiding(manifest, True):
        frozen.build(frozen.Config(str(file), "error"), manifest)
    said = str(caught.value).replace(str(tmp_path), "")
    assert not any(name in said for name in ("doe-9", "smith", "jones")), said

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cvrun.data import Manifest
from cvrun.data.csv import Config, build
from cvrun.errors import CvrunError, DataError

CONFIG = Config(
    root=None,
    file="manifest.csv",
    path_column="path",
    label_column="label",
    split_column=None,
    group_column=None,
    hash_column=None,
    weight_column=None,
    synthetic_column=None,
    label_separator=None,
    classes=None,
    size=8,
    channels=3,
    fit="crop",
)


def write(root: Path, text: str | bytes, images: int = 4) -> Config:
    (root / "images").mkdir(exist_ok=True)
    for i in range(images):
        (root / f"images/{i}.png").write_bytes(b"")
    (root / "manifest.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return replace(CONFIG, root=str(root))


def refused(config: Config) -> str:
    with pytest.raises(DataError) as caught:
        build(config)
    assert str(caught.value).isprintable()
    return str(caught.value)


def load(root: Path, text: str | bytes, **changes: object) -> Manifest:
    return build(replace(write(root, text), **changes))  # type: ignore[arg-type]


def test_rows_become_entries_in_their_order(tmp_path: Path) -> None:
    manifest = load(tmp_path, "label,path\ndog,images/1.png\ncat,images/0.png\n")
    assert manifest.ids == ("images/1.png", "images/0.png")
    assert manifest.paths == (tmp_path / "images/1.png", tmp_path / "images/0.png")
    assert manifest.classes == ("cat", "dog")
    assert manifest.labels.tolist() == [1, 0]
    assert manifest.groups is None
    assert manifest.official is None


def test_split_and_group_columns(tmp_path: Path) -> None:
    text = "path,label,part,slide\n" + "".join(
        f"images/{i}.png,a,{part},s{i % 2}\n" for i, part in enumerate(["train", "Valid", "validation", "test"])
    )
    manifest = load(tmp_path, text, split_column="part", group_column="slide")
    assert manifest.official == ("train", "val", "val", "test")
    assert manifest.groups == ("s0", "s1", "s0", "s1")


def test_whole_number_labels_are_sorted_by_value(tmp_path: Path) -> None:
    manifest = load(tmp_path, "path,label\nimages/0.png,10\nimages/1.png,9\nimages/2.png,0\n")
    assert manifest.classes == ("0", "9", "10")
    assert manifest.labels.tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbfpath,label\r\nimages/0.png,a\r\n\r\nimages/1.png,b\r\n",
        b'"path", "label"\n"images/0.png" , a\n./images//1.png,"b"',
        b"path,label\n\nimages/0.png,a\nimages/1.png,b\n\n",
    ],
)
def test_tables_as_other_programs_write_them(tmp_path: Path, text: bytes) -> None:
    manifest = load(tmp_path, text)
    assert manifest.ids == ("images/0.png", "images/1.png")
    assert manifest.classes == ("a", "b")


def test_the_table_may_lie_elsewhere(tmp_path: Path) -> None:
    config = write(tmp_path, "path,label\nimages/0.png,a\n")
    (tmp_path / "manifest.csv").rename(tmp_path / "other.txt")
    assert len(build(replace(config, file=str(tmp_path / "other.txt")))) == 1


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("images/1.png,", "row 3, column 'label': '', expected a class name"),
        ("images/1.png,NaN", "row 3, column 'label': 'NaN', expected a class name"),
        (",a", "row 3, column 'path': '', expected the path of an image"),
        ("/etc/passwd,a", "row 3, column 'path': '/etc/passwd', expected a path below data.root"),
        ("images/../images/1.png,a", "expected a path below data.root, without '..'"),
        ("../x.png,a", "expected a path below data.root, without '..'"),
        ("images/9.png,a", "row 3, column 'path': 'images/9.png', expected an image file (No such file or directory)"),
        ("images,a", "expected an image file, it is something else"),
        ("images/0.png/x.png,a", "expected an image file (Not a directory)"),
        ("./images/0.png,a", "expected each image once, it stands in row 2 as well"),
        ("images/1.png,a,b", "row 3: 'images/1.png,a,b', expected 2 values, got 3"),
        ("images/1.png", "expected 2 values, got 1"),
        ("images/1\x00.png,a", "'images/1\\x00.png', expected text without control characters"),
        ("images/1.png,\x1b[31mred", "'\\x1b[31mred', expected text without control characters"),
        ("images/1.png," + "a" * 5000, "at most 4096"),
        ("images/" + "a" * 300 + ".png,a", "expected an image file (File name too long)"),
        ("loop.png,a", "expected an image file (Too many levels of symbolic links)"),
        ("out/x.png,a", "expected a path below data.root, its symbolic link leads elsewhere"),
        ("out.png,a", "expected a path below data.root, its symbolic link leads elsewhere"),
    ],
)
def test_a_defect_names_row_column_value_and_rule(tmp_path: Path, row: str, expected: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "x.png").write_bytes(b"")
    (root / "out").symlink_to(tmp_path)
    (root / "out.png").symlink_to(tmp_path / "x.png")
    (root / "loop.png").symlink_to("loop.png")
    message = refused(write(root, f"path,label\nimages/0.png,a\n{row}\n"))
    assert expected in message
    assert message.startswith(f"{root}/manifest.csv row 3")


def test_links_that_stay_below_the_root_are_fine(tmp_path: Path) -> None:
    config = write(tmp_path, "path,label\nalso/0.png,a\nlink.png,a\n")
    (tmp_path / "also").symlink_to("images")
    (tmp_path / "link.png").symlink_to("images/1.png")
    assert len(build(config)) == 2


def test_unknown_classes_and_bad_parts(tmp_path: Path) -> None:
    config = write(tmp_path, "path,label,part\nimages/0.png,dgo,train\n")
    message = refused(replace(config, classes=("cat", "dog")))
    assert "row 2, column 'label': 'dgo', expected one of data.classes (cat, dog); did you mean 'dog'?" in message
    config = write(tmp_path, "path,label,part\nimages/0.png,a,trian\n")
    message = refused(replace(config, split_column="part"))
    assert "row 2, column 'part': 'trian', expected one of train, val, valid, validation, test" in message
    config = write(tmp_path, "path,label,slide\nimages/0.png,a,\n")
    assert "column 'slide': '', expected a group" in refused(replace(config, group_column="slide"))


def test_hashes(tmp_path: Path) -> None:
    text = f"path,label,sha\nimages/0.png,a,{'0aF' * 21}0\nimages/1.png,a,{'b' * 64}\n"
    assert load(tmp_path, text, hash_column="sha").hashes == ("0af" * 21 + "0", "b" * 64)
    assert load(tmp_path, text).hashes is None


@pytest.mark.parametrize("value", ["", "b" * 63, "b" * 65, "g" * 64, "0x" + "b" * 62, "\u0660" * 64])
def test_what_is_no_hash_is_a_defect(tmp_path: Path, value: str) -> None:
    config = write(tmp_path, f"path,label,sha\nimages/0.png,a,{value}\n")
    message = refused(replace(config, hash_column="sha"))
    assert "row 2, column 'sha': '" in message
    assert message.endswith("', expected the sha256 of the file, 64 hex digits")


def test_many_rows_with_defects_are_counted_and_some_are_listed(tmp_path: Path) -> None:
    rows = "".join(f"images/{i}.png,\n" for i in range(4)) + "x.png,\nimages/3.png,a\n" + "images/9.png,a\n"
    assert refused(write(tmp_path, f"path,label\n{rows}")).endswith("; 8 defects in 7 rows: 2, 3, 4, 5, 6, ...")
    one = refused(write(tmp_path, "path,label\nx.png,\n"))
    assert one.endswith("; 2 defects in 1 row: 2")


def test_the_first_of_several_defects_and_their_number(tmp_path: Path) -> None:
    text = "path,label\nimages/0.png,a\nimages/1.png,\nimages/0.png,b\n/x.png,\nimages/7.png,nan\nimages/2.png,a\n"
    message = refused(write(tmp_path, text))
    assert "row 3, column 'label'" in message
    assert message.endswith("; 6 defects in 4 rows: 3, 4, 5, 6")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "paths,label\nimages/0.png,a\n",
            "row 1: column 'path' is missing, expected it among: paths, label; did you mean",
        ),
        ("path,path,label\na,b,c\n", "column 'path' stands twice"),
        ("path;label\nimages/0.png;a\n", "column 'path' is missing, expected it among: path;label"),
        ("", "0 rows, expected a header and at least one image"),
        ("path,label\n", "1 rows, expected a header and at least one image"),
        (b"path,label\nimages/0.png,a\nimages/1.png,caf\xe9\n", "row 3: not UTF-8"),
        ("path,label\nimages/0.png," + "a" * 200_000, "row 2: not a CSV row (field larger than field limit"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path: Path, text: str | bytes, expected: str) -> None:
    assert expected in refused(write(tmp_path, text))


@pytest.mark.parametrize("file", ["missing.csv", "images", "a\0b"])
def test_a_missing_table_is_a_data_error(tmp_path: Path, file: str) -> None:
    config = write(tmp_path, "path,label\nimages/0.png,a\n")
    assert "cannot be read" in refused(replace(config, file=file))


def test_five_thousand_rows_are_all_checked(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    rows = [f"images/{i}.png,{i % 7}" for i in range(5000)]
    for i in range(5000):
        (tmp_path / f"images/{i}.png").touch()
    config = write(tmp_path, "\n".join(["path,label", *rows]))
    manifest = build(config)
    assert manifest.classes == tuple("0123456")


def test_the_blood_cells(blood_cells: Path) -> None:
    manifest = build(replace(CONFIG, root=str(blood_cells), group_column="slide"))
    assert manifest.classes == ("Platelets", "RBC", "WBC")
    # shared/data/README.md
    assert manifest.counts(np.arange(len(manifest))).tolist() == [292, 3348, 301]
    assert manifest.groups is not None
    assert len(set(manifest.groups)) == 292


def test_other_columns_are_kept_as_text(tmp_path: Path) -> None:
    text = ',path,label,site,note,age,age\n0,images/0.png,a,rome,"two\nlines",7,8\n1,images/1.png,b,,ok,7,8\n'
    manifest = load(tmp_path, text)
    assert manifest.columns == {"site": ("rome", ""), "note": ("two\\nlines", "ok")}
    grouped = load(tmp_path, text.replace("rome", "oslo").replace(",,", ",bern,"), group_column="site")
    assert grouped.groups == grouped.columns["site"] == ("oslo", "bern")


def test_weights(tmp_path: Path) -> None:
    manifest = load(tmp_path, "path,label,w\nimages/0.png,a,0.25\nimages/1.png,b,1e3\n", weight_column="w")
    assert manifest.weights is not None
    assert manifest.weights.dtype == np.float64
    assert manifest.weights.tolist() == [0.25, 1000.0]
    assert manifest.columns == {}
    assert load(tmp_path, "path,label,w\nimages/0.png,a,0.25\n").weights is None


@pytest.mark.parametrize("value", ["0", "-1", "", "nan", "inf", "1e999", "1e-999", "1_0", "\u0661", "a", "1,5"])
def test_what_is_no_weight_is_a_defect(tmp_path: Path, value: str) -> None:
    config = write(tmp_path, f'path,label,w\nimages/0.png,a,1\nimages/1.png,a,"{value}"\nimages/2.png,a,0\n')
    message = refused(replace(config, weight_column="w"))
    assert f"row 3, column 'w': '{value}', expected a weight, a number > 0" in message
    assert message.endswith("2 defects in 2 rows: 3, 4")


def test_a14_rows_may_be_marked_as_synthetic(tmp_path: Path) -> None:
    values = ["true", "False", "1", "0", "YES", "no"]
    rows = "".join(f"images/{i}.png,a,{value}\n" for i, value in enumerate(values))
    config = replace(write(tmp_path, f"path,label,made\n{rows}", images=6), synthetic_column="made")
    manifest = build(config)
    assert manifest.synthetic is not None
    assert manifest.synthetic.tolist() == [True, False] * 3


@pytest.mark.parametrize("value", ["", "maybe", "2", "y"])
def test_what_is_no_truth_value_is_a_defect(tmp_path: Path, value: str) -> None:
    config = write(tmp_path, f"path,label,made\nimages/0.png,a,{value}\n")
    message = refused(replace(config, synthetic_column="made"))
    assert f"row 2, column 'made': '{value}', expected one of true, 1, yes, false, 0, no" in message


def test_a14_a_synthetic_image_outside_of_train_is_a_defect(tmp_path: Path) -> None:
    text = "path,label,part,made\nimages/0.png,a,train,1\nimages/1.png,a,test,0\nimages/2.png,a,test,1\n"
    config = replace(write(tmp_path, text), split_column="part", synthetic_column="made")
    assert "row 4, column 'made': '1', expected no synthetic image outside of train" in refused(config)


def test_a_parquet_table_is_the_same_as_the_csv_file(tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    text = "path,label,age,weight,made\nimages/0.png,1,3,0.5,true\nimages/1.png,0,,2,false\n"
    config = replace(write(tmp_path, text), weight_column="weight", synthetic_column="made")
    columns = {
        "path": ["images/0.png", "images/1.png"],
        "label": [1, 0],
        "age": [3.0, None],
        "weight": [0.5, 2.0],
        "made": [True, False],
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    table, file = build(config), build(replace(config, file="t.parquet"))
    assert file.columns == table.columns == {"age": ("3", "")}
    for name in ("ids", "classes", "paths"):
        assert getattr(table, name) == getattr(file, name)
    for name in ("labels", "weights", "synthetic"):
        np.testing.assert_array_equal(getattr(table, name), getattr(file, name))
    everything = np.arange(2)
    assert table.fingerprint(everything) == file.fingerprint(everything)


def test_a_defect_in_a_parquet_table_has_the_row_that_it_has_in_a_csv_file(tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    config = write(tmp_path, "path,label\nimages/0.png,a\nimages/1.png,\n../x.png,a\n")
    pq.write_table(
        pa.table({"path": ["images/0.png", "images/1.png", "../x.png"], "label": ["a", None, "a"]}),
        tmp_path / "manifest.parquet",
    )
    wanted = refused(config).replace("manifest.csv", "manifest.parquet")
    assert "row 3, column 'label': ''" in wanted
    assert refused(replace(config, file="manifest.parquet")) == wanted


def test_the_blood_cells_as_parquet_are_those_of_the_csv_file(blood_cells: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import csv as arrow_csv
    from pyarrow import parquet

    parquet.write_table(arrow_csv.read_csv(blood_cells / "manifest.csv"), tmp_path / "cells.parquet")
    config = replace(CONFIG, root=str(blood_cells), group_column="slide")
    first, second = build(config), build(replace(config, file=str(tmp_path / "cells.parquet")))
    everything = np.arange(3941)
    assert first.fingerprint(everything) == second.fingerprint(everything)
    assert first.groups == second.groups == first.columns["slide"]
    assert second.counts(everything).tolist() == [292, 3348, 301]


def test_an_empty_name_is_a_configuration_error() -> None:
    with pytest.raises(ValueError, match="file=: expected the name of the table"):
        replace(CONFIG, file="")


def test_errors_have_the_exit_code_of_data(tmp_path: Path) -> None:
    with pytest.raises(CvrunError) as caught:
        build(write(tmp_path, "path,label\nimages/9.png,a\n"))
    assert caught.value.exit_code == 3


SEVERAL = {"label_separator": ";", "label_column": "label"}


def test_an_image_has_any_number_of_labels_where_there_is_a_separator(tmp_path: Path) -> None:
    text = "path,label\nimages/0.png,b; a\nimages/1.png,\nimages/2.png,c\nimages/3.png,a;b\n"
    manifest = load(tmp_path, text, **SEVERAL)
    assert manifest.classes == ("(no label)", "c", "a;b")
    assert manifest.labels.tolist() == [2, 0, 1, 2]
    assert manifest.sets is not None and manifest.sets.names == ("a", "b", "c")
    assert manifest.sets.members[manifest.labels].tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1], [1, 1, 0]]


def test_labels_have_the_order_of_classes_and_may_occur_nowhere(tmp_path: Path) -> None:
    manifest = load(tmp_path, "path,label\nimages/0.png,b;a\n", classes=("b", "z", "a"), **SEVERAL)
    assert manifest.classes == ("b;a",)
    assert manifest.sets is not None and manifest.sets.names == ("b", "z", "a")


def test_defects_of_labels_are_named_and_counted(tmp_path: Path) -> None:
    text = "path,label\nimages/0.png,a;;b\nimages/1.png,a;a\nimages/2.png,nan\n"
    message = refused(replace(write(tmp_path, text), label_separator=";"))
    assert "row 2, column 'label': 'a;;b', expected a label before and behind each ';'" in message
    assert "3 defects in 3 rows" in message


def test_a_table_without_any_label_is_refused(tmp_path: Path) -> None:
    config = replace(write(tmp_path, "path,label\nimages/0.png,\n"), label_separator=";")
    with pytest.raises(ValueError, match="label_separator=;: expected an image with a label, but none has one"):
        build(config)


def test_a_separator_is_no_space() -> None:
    with pytest.raises(ValueError, match="label_separator= : expected null, or what is no space"):
        replace(CONFIG, label_separator=" ")

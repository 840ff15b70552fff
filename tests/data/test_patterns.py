from pathlib import Path

import pytest

from cvrun.data._patterns import expand, files
from cvrun.errors import CvrunError


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a.tar", ["a.tar"]),
        ("t-{008..011}.tar", ["t-008.tar", "t-009.tar", "t-010.tar", "t-011.tar"]),
        ("t{9..10}", ["t9", "t10"]),
        ("{a,b}/{0..1}", ["a/0", "a/1", "b/0", "b/1"]),
        ("x{,-more}", ["x", "x-more"]),
    ],
)
def test_braces_as_in_a_shell(pattern: str, expected: list[str]) -> None:
    assert expand(pattern, "") == expected


@pytest.mark.parametrize("pattern", ["a{0..2", "a}b", "{a{b,c}}", "{3..1}", "{a}", "{a..c}", "{}", "{0..999999999999}"])
def test_braces_that_are_not_understood(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(CvrunError, match="^data.train=.*expected") as caught:
        files(tmp_path, "train", pattern)
    assert caught.value.exit_code == 2


def test_too_many(tmp_path: Path) -> None:
    with pytest.raises(CvrunError, match="more than 100000 files"):
        files(tmp_path, "train", "{000..999}{000..999}")


def test_stars_are_sorted_and_stay_below_the_root(tmp_path: Path) -> None:
    root = tmp_path / "r[1]"
    for name in ("b-10.tar", "b-9.tar", "a.tar", "sub/c.tar", ".b-hidden.tar"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    assert files(root, "train", "b-*.tar") == ["b-10.tar", "b-9.tar"]
    assert files(root, "train", "{sub,.}/?.tar") == ["sub/c.tar", "a.tar"]
    for pattern in ("../x", "/etc/*", "a/../../x", "", "a\n.tar"):
        with pytest.raises(CvrunError, match="expected the names of files below data.root, without '..'"):
            files(root, "train", pattern)


def test_what_is_missing_or_no_file(tmp_path: Path) -> None:
    (tmp_path / "d.tar").mkdir()
    for pattern in ("x.tar", "d.tar", "x/y.tar", "d*"):
        with pytest.raises(CvrunError, match=r"^data.val=.* is missing in .*, expected a file") as caught:
            files(tmp_path, "val", pattern)
        assert caught.value.exit_code == 3
    with pytest.raises(CvrunError, match=r"^data.val=x-\*: no file in .* fits 'x-\*', expected at least one"):
        files(tmp_path, "val", "x-*")

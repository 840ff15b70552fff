from cvrun.data._defects import Defect, report


def test_one_defect() -> None:
    error = report("t.csv", "row", [Defect("7", "column 'a'", "x\x1b", "a number", "take 1")])
    assert str(error) == "t.csv row 7, column 'a': 'x\\x1b', expected a number; take 1"
    assert error.exit_code == 3


def test_several_are_counted_by_entry_and_five_entries_are_listed() -> None:
    defects = [Defect(str(i), "", "v", "w") for i in (1, 1, 2, 3, 4, 5, 6)]
    assert str(report("s.tar", "sample", defects)) == (
        "s.tar sample 1: 'v', expected w; 7 defects in 6 samples: 1, 2, 3, 4, 5, ..."
    )
    assert str(report("t", "row", defects[:2])).endswith("; 2 defects in 1 row: 1")


def test_long_values_are_cut() -> None:
    text = str(report("t", "row", [Defect("1", "", "a" * 999, "b")]))
    assert f"'{'a' * 200}...', expected b" in text

import threading
import warnings

import pytest

from cvrun.errors import ConfigError
from cvrun.warned import MOST, SHOWN, heard, hearing


@pytest.fixture(autouse=True)
def as_python_does():
    """The tests of this project take every warning for an error; a user's Python does not."""
    with warnings.catch_warnings():
        warnings.resetwarnings()
        yield


def lines(path):
    return [line.partition(" ")[2] for line in path.read_text().splitlines()]


def test_a13_one_line_per_distinct_warning(tmp_path, capsys):
    path = tmp_path / "warnings.log"
    with hearing() as warned:
        for _ in range(3):
            for text in ("one", "two"):
                warnings.warn(text, stacklevel=1)
            warnings.warn("one", RuntimeWarning, stacklevel=1)
        warned.write_to(path)
        warnings.warn("after", stacklevel=1)
    kinds = [line.partition(" (")[0] for line in lines(path)]
    assert kinds == ["UserWarning: one", "UserWarning: two", "RuntimeWarning: one", "UserWarning: after"]
    assert all(f"({__file__}:" in line for line in lines(path))
    assert all(line[:2] == "20" and line[23] == "Z" for line in path.read_text().splitlines())
    shown = capsys.readouterr().err.splitlines()
    assert [line.partition(" (")[0] for line in shown] == [f"warning: {kind}" for kind in kinds]


def test_an_earlier_process_of_the_run_has_written_some(tmp_path):
    path = tmp_path / "warnings.log"

    def work(*texts):
        with hearing() as warned:
            warned.write_to(path)
            for text in texts:
                warnings.warn(text, stacklevel=1)

    work("a", "b")
    work("b", "c", "b")
    assert [line.split()[1] for line in lines(path)] == ["a", "b", "c"]


def test_a_line_of_code_with_ever_new_texts_is_cut_off(tmp_path, capsys):
    path = tmp_path / "warnings.log"
    with hearing() as warned:
        warned.write_to(path)
        for number in range(3 * MOST):
            warnings.warn(f"image of {number} pixels", stacklevel=1)
    assert len(lines(path)) == MOST + 1
    assert f"more than {MOST} different ones" in lines(path)[-1]
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == SHOWN
    assert shown[-1].endswith("what else it warns of is not shown")


def test_the_text_of_a_warning_cannot_forge_a_line(tmp_path):
    path = tmp_path / "warnings.log"
    with hearing() as warned:
        warned.write_to(path)
        warnings.warn("a\n2026 UserWarning: b\x1b[2J", stacklevel=1)
    (line,) = lines(path)
    assert line.startswith("UserWarning: a 2026 UserWarning: b\\x1b[2J (")


def test_strict_names_the_first(tmp_path):
    with hearing() as warned:
        warned.require_none()
        warnings.warn("the first", stacklevel=1)
        warnings.warn("the second", stacklevel=1)
        warned.require_none()
        assert warned.first == ""
        warned.strict = True
        with pytest.raises(ConfigError, match="^strict_warnings=true: UserWarning: the first .*goes on$"):
            warned.require_none()


def test_warnings_of_the_plan_are_kept_and_not_shown_again(tmp_path, capsys):
    with hearing() as warned:
        warned.strict = True
        warned.add(["patience is short", "patience is short"])
        warned.write_to(tmp_path / "warnings.log")
        assert lines(tmp_path / "warnings.log") == ["plan: patience is short"]
        assert warned.first == "plan: patience is short"
    assert capsys.readouterr().err == ""


def test_all_threads_are_heard_and_what_was_before_comes_back(tmp_path):
    before, filters = warnings.showwarning, list(warnings.filters)

    def work(number):
        for _ in range(50):
            warnings.warn(f"thread {number % 2}", stacklevel=1)

    with hearing() as warned:
        assert heard()
        warned.write_to(tmp_path / "warnings.log")
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(line.split(" (")[0] for line in lines(tmp_path / "warnings.log")) == [
        "UserWarning: thread 0",
        "UserWarning: thread 1",
    ]
    assert not heard()
    assert warnings.showwarning is before
    assert warnings.filters == filters


def test_warnings_for_developers_are_none_unless_asked_for(tmp_path, capsys):
    warnings.simplefilter("ignore", DeprecationWarning)
    with hearing() as warned:
        warned.strict = True
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        warned.require_none()
    assert capsys.readouterr().err == ""


def test_a_file_that_cannot_be_written_is_said_once(tmp_path, capsys):
    with hearing() as warned:
        warned.write_to(tmp_path / "nowhere" / "warnings.log")
        warnings.warn("a", stacklevel=1)
        warnings.warn("b", stacklevel=1)
    said = capsys.readouterr().err
    assert said.count("cannot be written") == 1
    assert "UserWarning: b" in said


def test_a_further_process_says_which_it_is(capsys):
    with hearing(2):
        warnings.warn("a", stacklevel=1)
    assert capsys.readouterr().err.startswith("warning (process 2): UserWarning: a (")

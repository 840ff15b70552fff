"""How often test sets have been opened, as reports say it."""

import dataclasses

import pytest
import yaml

from cvrun import ledger
from cvrun.errors import CheckpointError
from cvrun.folder import RunFolder
from cvrun.opening import Count, Draft
from cvrun.report.openings import all_sets, below, in_words, of_run, or_fault, own_part, run_name


@pytest.fixture
def run(tmp_path):
    """Makes a run in outputs/e/NAME whose plan has a test part."""

    def run(name, names="n"):
        folder = RunFolder(tmp_path / "outputs" / "e" / name)
        folder.path.mkdir(parents=True)
        folder.spec.write_text("")
        folder.plan.write_text(yaml.safe_dump({"data": {"test_names": names}}))
        return folder

    return run


@pytest.fixture
def open_set(tmp_path):
    def open_set(run, weights, test="T" * 64, names="n", external=None, sketch=""):
        where = run_name(run.path)
        draft = Draft(where, run.path.name, "c", weights, "best", 1, test, sketch, names, external, 3, 0, None)
        path = ledger.place(run.path)
        ledger.append(path, lambda openings: draft, print)
        ledger.keep_copy(run.path, ledger.read(path), where)

    return open_set


def test_a5_a_run_says_how_often_its_test_set_was_opened_by_how_many_models(run, open_set):
    first, second, other = run("1"), run("2"), run("3", names="another")
    assert of_run(first) == {"": Count(0, 0)}
    open_set(first, "v")
    open_set(first, "v")
    assert of_run(first) == of_run(second) == {"": Count(2, 1)}
    assert of_run(other) == {"": Count(0, 0)}
    open_set(second, "w")
    assert in_words(of_run(first)) == ["the test set of this run has been opened 3 times, by 2 different models"]
    assert own_part(of_run(second)) == {"test_openings": 3, "test_models": 2, "test_sharing": 0}


def test_the_same_images_count_whatever_they_are_called(run, open_set):
    first, other = run("1"), run("3", names="another")
    open_set(first, "v")
    open_set(other, "w", names="another")
    assert of_run(first) == of_run(other) == {"": Count(2, 2)}


def test_m3_a_test_set_from_elsewhere_stands_beside(run, open_set):
    first, second = run("1"), run("2")
    open_set(first, "v", test="E" * 64, external="site_b")
    open_set(second, "w", test="E" * 64, external="site_c")
    assert of_run(first) == {"": Count(0, 0), "site_b": Count(2, 2)}
    assert in_words(of_run(first))[1] == "the external test set 'site_b' has been opened 2 times, by 2 different models"
    assert all_sets([first.path, second.path]) == [
        "test set EEEEEEEEEEEE ('site_b', 'site_c') of 3 images has been opened 2 times, by 2 different models"
    ]


@pytest.mark.parametrize("plan", ["data: {test_names: ''}", "data: {counts: {}}", "", "[", "data: 3", None])
def test_a_run_without_a_test_part_says_nothing(run, plan):
    folder = run("1")
    folder.plan.unlink() if plan is None else folder.plan.write_text(plan)
    assert of_run(folder) == {}
    assert own_part({}) == {"test_openings": None, "test_models": None, "test_sharing": None}
    assert below(in_words({})) == ""


def test_lines_that_are_gone_are_missed_and_said_where_other_work_is_done(run, open_set):
    folder = run("1")
    open_set(folder, "v")
    ledger.place(folder.path).unlink()
    for action in (lambda: of_run(folder), lambda: all_sets([folder.path])):
        with pytest.raises(CheckpointError, match="line 1 of .* is missing"):
            action()
    (line,) = or_fault(folder)
    assert line.startswith("warning: ") and "line 1 of " in line


def test_each_set_of_each_ledger_has_a_line(run, open_set, tmp_path):
    first = run("1")
    open_set(first, "v")
    open_set(first, "w")
    open_set(first, "v", test="U" * 64)
    assert all_sets([first.path]) == [
        "test set TTTTTTTTTTTT of 3 images has been opened 2 times, by 2 different models",
        "test set UUUUUUUUUUUU of 3 images has been opened 1 time, by 1 model",
    ]
    assert all_sets([]) == []
    assert below(["a", "b"]) == "\na\nb\n"


def test_sets_that_share_images_are_said_in_the_same_line(run, open_set):
    first, other = run("1"), run("3", names="another")
    open_set(first, "v", sketch=f"{'0' * 16} {'1' * 16}")
    open_set(other, "w", test="U" * 64, names="another", sketch=f"{'1' * 16} {'2' * 16}")
    open_set(other, "w", test="V" * 64, names="third", external="b", sketch="3" * 16)
    assert of_run(first) == {"": Count(1, 1, 1)}
    assert own_part(of_run(first))["test_sharing"] == 1
    said = "has been opened 1 time, by 1 model"
    shared = "; sets that share images with it: 1 opening"
    assert in_words(of_run(first)) == [f"the test set of this run {said}{shared}"]
    assert all_sets([first.path]) == [
        f"test set TTTTTTTTTTTT of 3 images {said}{shared}",
        f"test set UUUUUUUUUUUU of 3 images {said}{shared}",
        f"test set VVVVVVVVVVVV ('b') of 3 images {said}",
    ]


def test_names_in_a_ledger_cannot_steer_a_terminal(run, tmp_path):
    folder = run("1")
    where = run_name(folder.path)
    draft = Draft(where, "1", "c", "w", "best", 1, "\x1b[2J", "", "s", "\x1b]0;x\x07", 3, 0, "\x1b[2J")
    ledger.append(ledger.place(folder.path), lambda openings: dataclasses.replace(draft), print)
    assert all(line.isprintable() for line in [*in_words(of_run(folder)), *all_sets([folder.path])])


def test_a_run_of_older_code_knows_what_it_has_opened(run, open_set):
    folder = run("1", names="")
    open_set(folder, "v", names="")
    assert of_run(folder) == {"": Count(1, 1)}

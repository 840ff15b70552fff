import pytest

from cvrun.report.run_record import RunRecord
from cvrun.report.score import interval_of


def record(details):
    return RunRecord("r", {}, {}, [], {"val": details}, [], [], "", None)


def test_accuracy_without_an_interval_of_its_evaluation_has_none():
    assert interval_of(record({"confusion_matrix": [[8, 2], [1, 9]]}), "val", "accuracy") is None


@pytest.mark.parametrize("written", [[0.7, 0.9], {"low": 0.7, "high": 0.9, "method": "BCa"}])
def test_an_interval_that_the_evaluation_worked_out_comes_first(written):
    details = {"confusion_matrix": [[8, 2], [1, 9]], "intervals": {"accuracy": written, "kappa": written}}
    assert interval_of(record(details), "val", "accuracy") == (0.7, 0.9)
    assert interval_of(record(details), "val", "kappa") == (0.7, 0.9)


@pytest.mark.parametrize("intervals", [None, 3, {"kappa": [None, 1]}, {"kappa": "0.1"}, {"kappa": [1, 2, 3]}])
def test_what_is_no_interval_is_none(intervals):
    assert interval_of(record({"intervals": intervals}), "val", "kappa") is None

import pytest

from cvrun.command._report_folder import folder_page, holds_runs, runs_below
from cvrun.errors import ConfigError, DataError
from tests.report.test_sweep import write


def test_a_folder_with_runs_has_a_page(tmp_path):
    write(tmp_path, "a", 0.5, lr=0.1)
    page = folder_page(tmp_path)
    assert page.startswith("<!DOCTYPE html>") and "exp a" in page and "cvrun report" in page


def test_a_folder_without_runs_is_refused_in_a_line(tmp_path):
    with pytest.raises(ConfigError, match="no run at or below it"):
        runs_below(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        folder_page(tmp_path / "none")


def test_a_run_is_not_a_folder_of_runs_and_report_tells_them_apart(tmp_path, call):
    path = write(tmp_path, "a", 0.5, lr=0.1)
    assert holds_runs(tmp_path) and holds_runs(path.parent) and not holds_runs(path) and not holds_runs(tmp_path / "x")
    said = call("report", tmp_path)
    assert said.code == 0 and said.out == f"{tmp_path}/report.html\n"
    assert "Runs below" in (tmp_path / "report.html").read_text()

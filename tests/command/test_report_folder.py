import re
from urllib.parse import unquote

import pytest
from browser import FIGURES, seen

from cvrun.command._report_folder import folder_page, holds_runs, runs_below
from cvrun.errors import ConfigError, DataError
from tests.report.test_sweep import write

HOSTILE = """"><img src=x onerror=alert(1)><script>document.title='x'</script>"""


def test_a_folder_with_runs_has_a_page(tmp_path):
    write(tmp_path, "a", 0.5, lr=0.1)
    page = folder_page(tmp_path, tmp_path)
    assert page.startswith("<!DOCTYPE html>") and "exp a" in page and "cvrun report" in page


def test_a_folder_without_runs_is_refused_in_a_line(tmp_path):
    with pytest.raises(ConfigError, match="no run at or below it"):
        runs_below(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        folder_page(tmp_path / "none", tmp_path)


def test_a_run_is_not_a_folder_of_runs_and_report_tells_them_apart(tmp_path, call):
    path = write(tmp_path, "a", 0.5, lr=0.1)
    assert holds_runs(tmp_path) and holds_runs(path.parent) and not holds_runs(path) and not holds_runs(tmp_path / "x")
    said = call("report", tmp_path)
    assert said.code == 0 and said.out == f"{tmp_path}/report.html\n"
    assert "Runs below" in (tmp_path / "report.html").read_text()


def test_the_name_of_a_run_leads_to_its_own_report_where_it_has_one(tmp_path, call):
    path = write(tmp_path, "a", 0.5, lr=0.1)
    write(tmp_path, "b", 0.6, lr=0.2)
    assert call("report", path).code == 0
    for folder in (tmp_path, tmp_path / "pages & more"):
        folder.mkdir(exist_ok=True)
        assert call("report", tmp_path, "--output", folder / "all.html").code == 0
        (address,) = re.findall(r'<a href="([^"#]+)">exp a</a>', (folder / "all.html").read_text())
        assert (folder / unquote(address)).resolve() == (path / "report.html").resolve()
    assert "exp b</a>" not in (tmp_path / "all.html").read_text()


def test_a_folder_whose_name_looks_like_an_address_is_a_folder(tmp_path, call):
    path = write(tmp_path / 'javascript:alert(1)"><b>', "a", 0.5, lr=0.1)
    (path / "report.html").write_text("")
    page = folder_page(tmp_path, tmp_path)
    (address,) = re.findall(r'<a href="([^"#]+)">', page)
    assert ":" not in address and (tmp_path / unquote(address)).is_file()


@pytest.mark.slow
@pytest.mark.parametrize("size", ["1000,800", "500,800"])
def test_in_a_browser_every_figure_of_the_folder_is_drawn_and_hostile_values_are_inert(tmp_path, size):
    for i in range(6):
        write(tmp_path, f"r{i}", 0.5 + i / 100, option=HOSTILE if i % 2 else "a", lr=10.0 ** -(i // 2), seed=i)
    path = tmp_path / "report.html"
    path.write_text(folder_page(tmp_path, tmp_path))
    script = f"""{{figures: {FIGURES}, title: document.title, pictures: document.images.length,
      wide: document.documentElement.scrollWidth > document.documentElement.clientWidth}}"""
    for dark in (False, True):
        found, console = seen(path, tmp_path, script, size, dark)
        assert console == []
        # Parallel coordinates, and the score against each of the two keys.
        assert len(found["figures"]) == 3
        assert all(each["width"] > 300 and each["height"] > 100 and each["shapes"] > 1 for each in found["figures"])
        assert found["title"].startswith("Runs below") and found["pictures"] == 0 and not found["wide"]
    assert HOSTILE not in path.read_text() and "onerror=alert(1)&gt;" in path.read_text()


@pytest.mark.slow
def test_in_a_browser_the_runs_are_sorted_by_number_with_the_keyboard(tmp_path):
    for i, rate in enumerate((0.1, 10.0, 0.02, 1e-5)):
        write(tmp_path, f"r{i}", 0.5 + i / 100, lr=rate)
    write(tmp_path, "bad", None, state="failed", lr=3.0)
    path = tmp_path / "report.html"
    path.write_text(folder_page(tmp_path, tmp_path))
    script = """(() => {
      const table = document.querySelector('table.sortable');
      const place = [...table.tHead.rows[0].cells].findIndex((cell) => cell.textContent === 'optimizer.lr');
      const column = (i) => [...table.tBodies[0].rows].map((row) => row.cells[i].textContent);
      const before = column(2);
      const button = table.tHead.rows[0].cells[place].querySelector('button');
      button.focus();
      const focused = document.activeElement === button;
      button.click();
      const up = column(place);
      const score = table.tHead.rows[0].cells[2].querySelector('button');
      score.click();
      return {before, focused, up, scores: column(2), type: button.type};
    })()"""
    found, console = seen(path, tmp_path, script)
    assert console == []
    assert found["before"] == ["0.5300", "0.5200", "0.5100", "0.5000", "-"]
    assert found["focused"] and found["type"] == "button"
    assert [float(each) for each in found["up"]] == [1e-5, 0.02, 0.1, 3.0, 10.0]
    # What has no score stays last.
    assert found["scores"] == ["0.5000", "0.5100", "0.5200", "0.5300", "-"]


def test_renamed_runs_have_a_page_and_those_put_aside_alone_are_named(tmp_path, call):
    write(tmp_path / "x", "a", 0.5, lr=0.1).rename(tmp_path / "x" / "exp" / "mine")
    assert call("report", tmp_path / "x").code == 0
    write(tmp_path / "y", "a", 0.5, lr=0.1).rename(tmp_path / "y" / "exp" / "a.1")
    with pytest.raises(ConfigError, match="no run at or below it but 1 that rerun=true has put aside"):
        runs_below(tmp_path / "y")

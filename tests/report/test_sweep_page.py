import re
from html.parser import HTMLParser
from pathlib import Path

from cvrun.report.sweep import read_sweep
from cvrun.report.sweep_page import outcome, sweep_page
from tests.report.test_sweep import write


class Tags(HTMLParser):
    def __init__(self, page: str):
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]


def sweep_of(root: Path):
    for i in range(6):
        write(root, f"r{i}", 0.5 + i / 100, seed=i % 2, lr=10.0 ** -(i // 2), warmup=f"{i // 2}%")
    write(root, "bad", None, state="failed", lr=1.0, warmup="0%")
    return read_sweep(root)


def test_the_page_says_how_many_the_winner_was_picked_from(tmp_path):
    first, second, third = outcome(sweep_of(tmp_path))
    assert first == "7 runs: 1 failed, 6 finished. The best is exp r5, val/accuracy 0.5500."
    assert "N = 6 runs (3 settings)" in second and "too good" in second
    # (0.54 + 0.55) / 2, 0.01 / sqrt(2), and +- 12.7062 * 0.01 / 2.
    how = "n = 2, sd 0.0071, 95% interval 0.4815 to 0.6085"
    assert third == f"The best mean over seeds is 0.5450 ({how}): optimizer.lr=0.01 optimizer.warmup=2%."


def test_m18_seeds_have_an_interval_and_few_of_them_are_said(tmp_path):
    page = sweep_page(sweep_of(tmp_path), "made")
    assert "0.4815 to 0.6085" in page and "3 of 3 settings have fewer than 3 seeds" in page
    write(tmp_path, "r9", 0.56, seed=9, lr=0.01, warmup="2%")
    assert "2 of 3 settings have fewer than 3 seeds" in sweep_page(read_sweep(tmp_path), "made")


def test_the_table_is_sorted_by_score_before_any_script_runs_and_figures_are_drawn(tmp_path):
    page = sweep_page(sweep_of(tmp_path), "made")
    body = page.split('<table class="sortable">')[1]
    assert re.findall(r"exp (r\d|bad)", body.split("</table>")[0]) == ["r5", "r4", "r3", "r2", "r1", "r0", "bad"]
    heads = re.findall(r"<th scope=\"col\"[^>]*>([^<]*)<", body.split("</thead>")[0])
    assert heads == ["run", "state", "score", "optimizer.lr", "optimizer.warmup", "seed", "epochs", "seconds"]
    assert Tags(page).found.count("svg") == 3 and 'id="against-1-t"' in page


def test_hostile_values_are_inert(tmp_path):
    for i, value in enumerate(("<script>alert(1)</script>", "\"><img src=x onerror='1'>", "a\x1b[31m")):
        write(tmp_path, f"r{i}", 0.5 + i / 10, option=value, lr=i)
    page = sweep_page(read_sweep(tmp_path), "made")
    assert Tags(page).found.count("script") == 1 and "img" not in Tags(page).found and "\x1b" not in page


def test_one_run_alone_has_a_page(tmp_path):
    write(tmp_path, "a", 0.5, lr=0.1)
    page = sweep_page(read_sweep(tmp_path), "made")
    assert "svg" not in Tags(page).found and "N = " not in page and "No two finished runs" in page

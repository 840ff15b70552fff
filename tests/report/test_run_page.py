import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from browser import FIGURES, seen

from cvrun.report.run_page import run_page
from cvrun.report.run_record import Case, ClassCurves, Looked, Risk, RunRecord
from cvrun.report.theme import DARK, LIGHT

HOSTILE = """</td></script><script>document.title='broken'</script><img src=x onerror="document.title='broken'">"'&"""
PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010800000000"
    "3a7e9b550000000a49444154789c636000000002000148afa4710000000049454e44ae426082"
)


RATES = dict.fromkeys(("sensitivity", "specificity", "ppv", "npv"), 0.9)
COUNTS = {"tp": 9, "fp": 1, "fn": 1, "tn": 9}
AT = [{"threshold": each, **COUNTS, **RATES, "fpr": 0.1} for each in (0.1, 0.5, 0.9)]
RISK = Risk([0.5, 1.0], [0.0, 0.15], [0.9, 0.5], 0.05)
MEAN = {"images": 0.9, "groups": 0.8, "undefined": 1}


def decided(name):
    intervals = {f"{rate}_interval": [0.8, 0.95] for rate in RATES}
    row = {"class": name, "prevalence": 0.5, **COUNTS, **RATES, **intervals, "lr_positive": 9.0, "lr_negative": 0.1}
    return {"images": 20, "per_class": [row]}


def sliced(name):
    row = {"images": 10, "accuracy": 0.9, "low": 0.6, "high": 0.99, "balanced_accuracy": 0.9}
    worst = {"accuracy": {"value": name, "accuracy": 0.9}}
    rows = [{"value": each, **row} for each in (name, "other")]
    return {"slices": rows, "hidden": {"values": 1, "images": 3}, "worst": worst}


def record(name=HOSTILE, state="finished"):
    line = ([0.0, 0.0, 1.0], [0.0, 1.0, 1.0])
    bins = [{"low": 0.5, "high": 1.0, "images": 20, "confidence": 0.75, "accuracy": 0.85}]
    case = Case(name, name, "dog", 0.1, 0.9, 2.3, PICTURE)
    curves = [ClassCurves(each, line, line, 0.9, 0.9) for each in (name, "dog")]
    details = {
        "metrics": {"accuracy": 0.85, "kappa": 0.7, "loss": None},
        "per_class": [{"class": name, "f1": 0.8}, {"class": "dog", "f1": 0.9}],
        "confusion_matrix": [[8, 2], [1, 9]],
        "intervals": {"accuracy": [0.640, 0.948]},
    }
    rows = [{"step": i, "epoch": i / 2, "train/loss": 1 / i, "train/lr": 0.1, "val/accuracy": 0.5} for i in (2, 4, 6)]
    counts = {"train": [80, 80], "val": [10, 10], "test": [10, 10]}
    return RunRecord(
        path=name,
        status={"state": state, "reason": name, "monitor": "val/accuracy", "score": 0.85, "best_step": 4, "step": 6},
        plan={
            "name": name,
            "run_id": "12345678",
            "overrides": [name],
            "data": {"classes": [name, "dog"], "counts": counts, "data_fingerprint": name},
            "environment": {name: name},
            "imbalance": {"line": name},
        },
        rows=rows,
        evaluated={"val": details, "test": details},
        warnings=[name],
        openings=[name],
        spec=name,
        looked=Looked(20, curves, bins, 3, [case], [case], "", dict.fromkeys((name, "dog"), AT), RISK),
        decision={"frozen": name, "note": name, "parts": {"val": decided(name)}},
        slices={
            "by": {name: sliced(name)},
            "note": name,
            "aggregation": {"groups": 2, "rows": [MEAN | {"metric": name}]},
        },
    )


class Text(HTMLParser):
    def __init__(self, markup):
        super().__init__()
        self.tags, self.shown = [], ""
        self.feed(markup)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.shown += data


def test_a_page_has_all_sections_in_order():
    titles = re.findall(r"<h2 [^>]*>([^<]*)", run_page(record("cat"), "made"))
    assert titles == [
        *("The question", "Data and split", "Training", "Over-fitting and under-fitting"),
        *("Results on the validation images", "Results on the test images", "Decision", "Groups and slices"),
        *("Errors", "Time and memory"),
        *("Environment", "Disclosure", "How to reproduce it"),
    ]


def test_the_answer_has_the_interval_and_no_id_occurs_twice():
    made = run_page(record("cat"), "made")
    # Wilson's interval of 17 of 20: statsmodels.stats.proportion.proportion_confint(17, 20, method="wilson").
    assert "val/accuracy 0.8500 (95% interval 0.640 to 0.948), weights of step 4." in Text(made).shown
    ids = [attributes["id"] for _, attributes in Text(made).tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {attributes["href"] for tag, attributes in Text(made).tags if tag == "a"}
    assert {link[1:] for link in links} <= set(ids)


def test_hostile_names_are_text():
    read = Text(run_page(record(), HOSTILE))
    tags = [tag for tag, _ in read.tags]
    assert tags.count("script") == 1
    assert all(attributes["src"].startswith("data:image/png;") for tag, attributes in read.tags if tag == "img")
    assert not any(name.startswith("on") for _, attributes in read.tags for name in attributes)
    assert read.shown.count("<img src=x onerror=") > 15


def test_nothing_remote_is_named():
    made = run_page(record("cat"), "made")
    sources = [each for _, attributes in Text(made).tags for key, each in attributes.items() if key in ("src", "href")]
    assert all(each.startswith(("#", "data:")) for each in sources)
    assert not re.search(r"https?://", made)


def test_a_run_that_is_not_finished_says_so():
    assert "This run is not finished: failed (cat)." in Text(run_page(record("cat", "failed"), "made")).shown


def test_an_empty_run_has_a_page():
    shown = Text(run_page(RunRecord("r", {}, {}, [], {}, [], [], "", None), "made")).shown
    assert "No score yet." in shown and "no predictions" in shown


def test_a_page_about_1000_classes_is_below_a_megabyte():
    many = 1000
    names = [f"a class with quite a long name, number {i}" for i in range(many)]
    noise = b"\0" * 64 * 64 * 3
    cases = [Case(f"folder/of/images/{i}.png", names[i], names[i + 1], 0.1, 0.9, 2.3, noise) for i in range(12)]
    points = [i / 199 for i in range(200)]
    curves = [ClassCurves(name, (points, points), (points, points), 0.5, 0.5) for name in names]
    few = record("cat")
    many_rows = dict.fromkeys(names[:25], AT * 4)
    found = replace(few.looked, curves=curves, worst=cases, confident=cases, thresholds=many_rows)
    matrix = [[int(i == j or j == 0) for j in range(many)] for i in range(many)]
    details = {"metrics": {"accuracy": 0.5}, "confusion_matrix": matrix}
    details["per_class"] = [{"class": name, "f1": 0.5, "roc_auc": 0.5, "average_precision": 0.5} for name in names]
    data = {"classes": names, "counts": {part: [10] * many for part in ("train", "val", "test")}}
    rows = [{**few.rows[0], "step": i, "epoch": i / 100} for i in range(20_000)]
    whole = replace(few, plan={"data": data}, rows=rows, evaluated={"val": details, "test": details}, looked=found)
    (row,) = decided("cat")["per_class"]
    per_class = [{**row, "class": name} for name in names]
    both = {part: {"images": 10_000, "per_class": per_class} for part in ("val", "test")}
    (one, _) = sliced("cat")["slices"]
    by = {**sliced("cat"), "slices": [{**one, "value": name} for name in names]}
    whole = replace(whole, decision={"frozen": "x", "note": "", "parts": both})
    whole = replace(whole, slices={**few.slices, "by": {"group": by, "site": by}})
    assert len(run_page(whole, "made").encode()) < 1_000_000


def test_headings_figures_and_tables_can_be_read_without_eyes():
    made = run_page(record("cat"), "made")
    levels = [int(tag[1]) for tag, _ in Text(made).tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(level <= before + 1 for before, level in pairwise(levels))
    # Whatever is drawn has a name and a description of its own, and its numbers as a table.
    figures = re.findall(r"<figure>.*?</figure>", made, re.DOTALL)
    assert len(figures) == 8 == made.count("<svg")
    for figure in figures:
        name, about = re.search(r'role="img"[^>]* aria-labelledby="(\S+) (\S+)"', figure).groups()
        assert re.search(rf'<title id="{name}">[^<]{{3,}}</title>', figure)
        assert re.search(rf'<desc id="{about}">[^<]{{10,}}</desc>', figure)
        assert "<figcaption>" in figure and "<table" in figure
    tables = re.findall(r"<table.*?</table>", made, re.DOTALL)
    assert all(re.search(r"<caption>[^<]{3,}</caption>", each) and 'scope="col"' in each for each in tables)
    assert len(tables) == made.count('role="region" tabindex="0"')
    assert all("alt" in attributes for tag, attributes in Text(made).tags if tag == "img")


@pytest.mark.slow
def test_in_a_browser_the_theme_follows_the_system_and_paper_is_white(tmp_path):
    path = tmp_path / "report.html"
    path.write_text(run_page(record("cat"), "made"))
    script = """(() => {
      const rules = [...document.styleSheets[0].cssRules].filter((rule) => rule.media);
      const print = rules.find((rule) => rule.media.mediaText === 'print');
      const style = getComputedStyle(document.body);
      return {back: style.backgroundColor, ink: style.color, print: print.cssText};
    })()"""
    light, console = seen(path, tmp_path, script)
    dark, more = seen(path, tmp_path, script, dark=True)
    assert console == more == []
    assert (light["back"], light["ink"]) == (rgb(LIGHT["paper"]), rgb(LIGHT["ink"]))
    assert (dark["back"], dark["ink"]) == (rgb(DARK["paper"]), rgb(DARK["ink"]))
    assert f"--paper: {LIGHT['paper']}" in dark["print"].replace(":#", ": #")


def rgb(colour):
    return f"rgb({', '.join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))})"


@pytest.mark.slow
@pytest.mark.parametrize("size", ["1000,800", "500,800"])
def test_in_a_browser_every_figure_is_drawn_and_hostile_names_are_inert(tmp_path, size):
    path = tmp_path / "report.html"
    path.write_text(run_page(record(), "made"))
    script = f"""{{figures: {FIGURES}, title: document.title, pictures: [...document.images].map((i) => i.naturalWidth),
      wide: document.documentElement.scrollWidth > document.documentElement.clientWidth}}"""
    found, console = seen(path, tmp_path, script, size)
    assert console == []
    assert len(found["figures"]) == 8
    assert all(each["width"] > 300 and each["height"] > 200 and each["shapes"] > 1 for each in found["figures"])
    assert "broken" in HOSTILE and found["title"].startswith("Run </td>")
    assert found["pictures"] == [1, 1]
    assert not found["wide"]


@pytest.mark.slow
def test_in_a_browser_a_click_on_a_heading_sorts(tmp_path):
    path = tmp_path / "report.html"
    path.write_text(run_page(record("cat"), "made"))
    script = """(() => {
      const table = document.querySelector('table.sortable');
      const column = (i) => [...table.tBodies[0].rows].map((row) => row.cells[i].textContent);
      const button = table.tHead.rows[0].cells[1].querySelector('button');
      button.click();
      const up = column(1), state = table.tHead.rows[0].cells[1].getAttribute('aria-sort');
      button.click();
      return {up, state, down: column(1), names: column(0), focus: button.tabIndex};
    })()"""
    found, console = seen(path, tmp_path, script)
    assert console == []
    assert found["up"] == ["0.7000", "0.8500", "-"] and found["state"] == "ascending"
    assert found["down"] == ["0.8500", "0.7000", "-"] and found["names"] == ["accuracy", "kappa", "loss"]
    assert found["focus"] == 0


@pytest.mark.slow
def test_a_browser_refuses_a_script_that_is_not_the_pages_own(tmp_path):
    path = tmp_path / "report.html"
    path.write_text(run_page(record("cat"), "made").replace("<main", "<script>document.title = 'broken'</script><main"))
    found, console = seen(path, tmp_path, "document.title")
    assert found == "Run cat 12345678"
    assert any("Content Security Policy" in line for line in console)


def test_without_a_plan_nothing_is_said_of_warnings_and_the_test_part():
    bare = replace(record("cat"), plan={}, warnings=[], openings=[])
    shown = Text(run_page(bare, "made")).shown
    assert "not known, the run has no plan.yaml" in shown
    for said in ("There were no warnings", "no test part", "nothing was resampled"):
        assert said not in shown
        assert said in Text(run_page(replace(bare, plan={"name": "cat"}), "made")).shown


def test_a_soup_is_not_the_best_of_several_evaluations():
    soup = replace(record("cat"), plan={"soup": {"command": "cvrun soup a b"}})
    shown = Text(run_page(soup, "made")).shown
    assert "The weights are a mean" in shown and "best of several evaluations" not in shown
    assert "best of several evaluations" in Text(run_page(record("cat"), "made")).shown

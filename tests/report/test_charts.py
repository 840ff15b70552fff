import xml.etree.ElementTree as ElementTree

import pytest

from cvrun.report.charts import Axes, Series, line_chart, ticks
from cvrun.report.page import table

DATA = table("Numbers", ["x", "y"], [["1", "2"]])


def parsed(chart):
    return ElementTree.fromstring(chart.text)


def of_kind(root, name):
    return [each for each in root.iter() if each.tag == name]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 25, [0, 5, 10, 15, 20, 25]),
        (-3, 4, [-2, 0, 2, 4]),
        (0.0002, 0.001, [0.0002, 0.0004, 0.0006, 0.0008, 0.001]),
    ],
)
def test_ticks_are_round(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected)


def test_a_point_is_where_its_numbers_say():
    line = Series("a", [0, 1], [0, 1])
    root = parsed(line_chart("c", "Title", [line], Axes("x", "y", (0, 1), (0, 1)), DATA))
    (drawn,) = of_kind(root, "polyline")
    assert drawn.get("points") == "64.0,256.0 446.0,10.0"


def test_a_chart_is_named_and_described_and_has_its_numbers():
    root = parsed(line_chart("c", "Loss", [Series("train", [1, 2], [0.5, 0.25])], Axes("epoch", "loss"), DATA))
    (svg,) = of_kind(root, "svg")
    ids = {each.get("id"): each.text for each in root.iter() if each.get("id")}
    said = [ids[name] for name in svg.get("aria-labelledby").split()]
    assert said == ["Loss", "loss over epoch: train from 0.5 to 0.25, 2 points"]
    assert svg.get("role") == "img"
    assert len(of_kind(root, "details")) == 1


def test_small_numbers_at_an_axis_are_short():
    line = Series("lr", [0, 1], [0.0, 0.0004])
    root = parsed(line_chart("c", "t", [line], Axes("x", "y", None, (0, 0.0004)), DATA))
    assert "2e-4" in {each.text for each in of_kind(root, "text")}


def test_what_is_not_finite_is_not_drawn():
    line = Series("a", [1, 2, 3, 4], [1, float("nan"), float("inf"), 2])
    root = parsed(line_chart("c", "t", [line], Axes("x", "y"), DATA))
    assert len(of_kind(root, "polyline")[0].get("points").split()) == 2
    assert "nan" not in line_chart("c", "t", [line], Axes("x", "y"), DATA).text


@pytest.mark.parametrize("y", [[], [0.0], [3.0, 3.0], [1e-320, 1e-320], [-1.0, -1.0]])
def test_nothing_one_point_and_level_lines_are_drawn(y):
    parsed(line_chart("c", "t", [Series("a", list(range(len(y))), y)], Axes("x", "y"), DATA))


def test_a_long_line_is_thinned_and_keeps_its_end():
    line = Series("a", range(10_000), range(10_000))
    root = parsed(line_chart("c", "t", [line], Axes("x", "y", (0, 9_999), (0, 9_999)), DATA))
    points = of_kind(root, "polyline")[0].get("points").split()
    assert len(points) <= 241
    assert points[-1] == "446.0,10.0"


def test_hostile_names_are_inert_in_a_chart():
    bad = '"><script>x</script>'
    chart = line_chart("c", bad, [Series(bad, [1, 2], [1, 2])], Axes(bad, bad), DATA, marks=[(1.5, bad)])
    assert of_kind(parsed(chart), "script") == []


def test_series_differ_without_colour():
    lines = [Series(f"{i}", [0, 1], [i, i]) for i in range(8)]
    root = parsed(line_chart("c", "t", lines, Axes("x", "y"), DATA))
    names = {each.get("class") for each in of_kind(root, "polyline")}
    assert names == {f"s{i} stroke" for i in range(8)}

import xml.etree.ElementTree as ElementTree

from cvrun.report.parallel import Axis, parallel_coordinates, score_against

LR, SCORE = Axis("optimizer.lr", [0.1, 0.01, 0.001]), Axis("val/accuracy", [0.5, 0.9, 0.7])
BAD = "</text><script>alert(1)</script>"


def test_each_run_is_a_line_and_the_best_one_has_a_square_on_each_axis():
    root = ElementTree.fromstring(parallel_coordinates("t", [LR, SCORE], best=1).text)
    lines = [line for line in root.iter("polyline") if "stroke" in line.get("class", "").split()]
    assert [line.get("class") for line in lines] == ["s0 stroke", "s0 stroke", "s1 stroke"]
    assert len(list(root.iter("rect"))) == 2
    (low, _), (high, _) = sorted((float(p.split(",")[1]), p) for p in lines[-1].get("points").split())
    # 0.9 is the highest score, so it lies above the middle of the axis where its learning rate lies.
    assert low < high and root.find(".//desc").text.startswith("3 runs")


def test_points_lie_by_score_and_a_logarithmic_axis_says_so():
    root = ElementTree.fromstring(score_against("a", LR, SCORE, best=1).text)
    dots = [(float(dot.get("cx")), float(dot.get("cy"))) for dot in root.iter("circle")]
    assert len(dots) == 2 and dots[0][0] > dots[1][0] and dots[0][1] > dots[1][1]
    assert "optimizer.lr (log)" in "".join(root.itertext())


def test_names_and_values_are_inert():
    hostile = Axis(BAD, [BAD, "b", "c"])
    for figure in (parallel_coordinates(BAD, [hostile, SCORE], 0), score_against("x", hostile, SCORE, 0)):
        assert "<script" not in figure.text
        ElementTree.fromstring(figure.text)

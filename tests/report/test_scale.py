import pytest

from cvrun.report.scale import scale_of


def test_numbers_an_order_of_magnitude_apart_are_shown_by_their_logarithm():
    scale = scale_of([0.001, 0.01, 0.1])
    assert scale.kind == "log"
    assert scale.place(0.01) == pytest.approx(0.5)
    assert scale.place(0.001) == pytest.approx(1 - scale.place(0.1))
    assert scale_of([1, 9]).kind == "linear" and scale_of([0.0, 1.0, 100.0]).kind == "linear"


def test_categories_have_places_of_the_same_width_in_their_natural_order():
    scale = scale_of(["10%", "5%", "1ep"])
    assert scale.kind == "ordinal" and list(scale.order) == ["1ep", "5%", "10%"]
    assert [scale.place(v) for v in ("1ep", "5%", "10%")] == pytest.approx([1 / 6, 3 / 6, 5 / 6])
    assert scale.marks() == [(pytest.approx(1 / 6), "1ep"), (pytest.approx(0.5), "5%"), (pytest.approx(5 / 6), "10%")]


def test_what_is_no_number_makes_categories_of_all():
    assert list(scale_of([1.0, None, True]).order) == ["1", "null", "true"]
    assert scale_of([1.0, float("inf")]).kind == "ordinal"


def test_few_numbers_have_a_mark_each_and_many_have_round_ones():
    assert [said for _, said in scale_of([16, 32, 64]).marks()] == ["16", "32", "64"]
    assert [said for _, said in scale_of([0.3, 0.1, 0.03]).marks()] == ["0.03", "0.1", "0.3"]
    many = scale_of([i / 100 for i in range(101)])
    assert [said for _, said in many.marks()] == ["0", "0.2", "0.4", "0.6", "0.8", "1"]
    assert [said for _, said in scale_of([10.0**-i for i in range(7)]).marks()][0] == "1e-06"


def test_one_value_has_an_axis_too():
    for value in (0, 5.0, -1.0, "a"):
        assert scale_of([value, value]).place(value) == pytest.approx(0.5)

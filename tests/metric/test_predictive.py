import pytest

from cvrun.interval import wilson
from cvrun.metric._predictive import at_prevalence, predictive_values


def test_a2_the_predictive_value_falls_with_the_prevalence():
    found = [predictive_values(0.9, 0.9, p)[0] for p in (0.5, 0.1, 0.01)]
    assert [round(ppv, 3) for ppv in found] == [0.900, 0.500, 0.083]


def test_both_values_are_the_shares_of_a_counted_population():
    # 10,000 people, 200 of them ill: 160 found, 490 false alarms.
    ppv, npv = predictive_values(0.8, 0.95, 0.02)
    assert ppv == pytest.approx(160 / (160 + 490))
    assert npv == pytest.approx(9310 / (9310 + 40))


def test_where_nobody_is_called_so_there_is_no_value():
    assert predictive_values(0.0, 1.0, 0.1)[0] is None
    assert predictive_values(1.0, 0.0, 0.1)[1] is None


def test_at_the_prevalence_of_the_split_they_are_its_own_shares(binary):
    (row,) = at_prevalence(binary, ["well", "ill"], {1: 0.06})
    assert row["sensitivity"] == pytest.approx(40 / 60)
    assert row["specificity"] == pytest.approx(930 / 940)
    assert row["ppv"] == pytest.approx(40 / 50)
    assert row["npv"] == pytest.approx(930 / 950)
    assert row["sensitivity_interval"] == list(wilson(40, 60))
    assert row["specificity_interval"] == list(wilson(930, 940))


def test_of_three_classes_each_stands_against_the_rest(of_matrix):
    prediction = of_matrix([[8, 1, 1], [2, 16, 2], [0, 4, 6]])
    rows = at_prevalence(prediction, ["a", "b", "c"], {0: 10 / 40, 2: 10 / 40})
    assert [row["class"] for row in rows] == ["a", "c"]
    assert rows[0]["ppv"] == pytest.approx(8 / 10)
    assert rows[1]["ppv"] == pytest.approx(6 / 9)
    assert rows[1]["specificity"] == pytest.approx(27 / 30)


def test_a_class_without_images_has_no_values(of_matrix):
    prediction = of_matrix([[5, 5], [0, 0]])
    (row,) = at_prevalence(prediction, ["a", "b"], {1: 0.1})
    assert (row["sensitivity"], row["ppv"], row["npv"]) == (None, None, None)
    assert row["specificity"] == 0.5

import pytest

from cvrun.report.verdict import GAP, LOW, RULE, verdict


@pytest.mark.parametrize(
    ("train", "val", "expected"),
    [
        (0.99, 0.60, "over-fitting"),
        (0.55, 0.54, "under-fitting"),
        (0.97, 0.96, "neither"),
        (0.75, 0.50, "over-fitting"),
    ],
)
def test_d4_the_verdict_of_two_scores(train, val, expected):
    assert verdict(train, val) == expected


def test_d4_a_gap_within_the_interval_is_not_shown():
    assert verdict(1.0, 0.9, 0.95) == "over-fitting"
    assert verdict(1.0, 0.9, 1.0) == "neither"


def test_the_rule_names_its_numbers():
    assert f"{GAP:g}" in RULE and f"{LOW:g}" in RULE

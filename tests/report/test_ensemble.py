"""The text of an ensemble."""

from cvrun.report.ensemble import ensemble_text


def found(**more):
    members = [
        {"run": f"outputs/run/{name}", "name": f"run/{name}", "picks": picks, "share": picks / 3, "metrics": metrics}
        for name, picks, metrics in (
            ("a", 1, {"accuracy": 0.75, "loss": 0.5}),
            ("b\x1b[31m", 2, {"accuracy": 0.8, "loss": None}),
            ("c", 0, {"accuracy": 0.25, "loss": 1.25}),
        )
    ]
    differences = [
        {
            "metric": "accuracy",
            "difference": 0.125,
            "low": -0.05,
            "high": 0.3,
            "verdict": "no difference shown",
            "undefined": 0,
        },
        {"metric": "loss", "difference": None, "low": None, "high": None, "verdict": "undefined", "undefined": 2000},
    ]
    return {
        "ensemble": "outputs/ensembles/01234567",
        "merge": "greedy",
        "tta": False,
        "part": "val",
        "images": 1234,
        "members": members,
        "metrics": {"accuracy": 0.875, "loss": 0.25},
        "metric": "loss",
        "differences": differences,
        "best": "outputs/run/a",
        "agreed": 1000,
        "cost": 2,
        "same_split": True,
        "unit": "image",
        "units": 1234,
        "groups_unknown": False,
        **more,
    }


def test_runs_shares_metrics_and_differences_stand_in_tables():
    text = ensemble_text(found())
    lines = [" ".join(line.split()) for line in text.splitlines()]
    for line in (
        "outputs/ensembles/01234567: greedy of 2 of 3 runs on 1,234 val images",
        "run share accuracy loss",
        "run/a 0.33 0.7500 0.5000",
        "run/b\\x1b[31m 0.67 0.8000 -",
        "run/c - 0.2500 1.2500",
        "ensemble 0.8750 0.2500",
        "against run/a, the best run by loss on these images:",
        "accuracy +0.1250 -0.0500 to +0.3000 no difference shown",
        "loss - - to - undefined",
        "1,000 of 1,234 images get the same label from all 3 runs",
    ):
        assert line in lines
    assert max(map(len, text.splitlines())) <= 80
    assert "each image goes through 2 models" in text


def test_what_is_optimistic_or_no_probability_is_said():
    assert "val is optimistic" in ensemble_text(found())
    test = ensemble_text(found(part="test"))
    assert "optimistic" not in test and "the best run by loss on val:" in test
    mean = ensemble_text(found(merge="mean", cost=3, tta=True))
    assert "optimistic" not in mean and "mean of 3 runs, each with test-time augmentation on 1,234 val" in mean
    assert "no probabilities" not in mean and "no probabilities" in ensemble_text(found(merge="vote", cost=3))
    assert "differ in their split" not in mean and "differ in their split" in ensemble_text(found(same_split=False))
    assert "too narrow" not in mean and "fewer than 50 images" in ensemble_text(found(images=49, units=49))
    grouped = ensemble_text(found(unit="group", units=49))
    assert "over 49 groups of images" in grouped and "fewer than 50 groups" in grouped
    assert "not known here: intervals are too narrow" in ensemble_text(found(groups_unknown=True))
    assert "flatters it" in mean and "flatters it" not in test and "up to 2,000 resamples have no" in test
    assert "goes through 1 model;" in ensemble_text(found(cost=1))

"""A comparison as text."""

from cvrun.report.compare import comparison_text

VALUES = {"accuracy": 0.9, "loss": None}


def row(model, metric, verdict, difference=0.125, p=0.0004):
    about = {"model": model, "metric": metric, "difference": difference, "interval": [-0.25, 0.5], "test": "bootstrap"}
    return {**about, "p": p, "p_corrected": None if p is None else 0.25, "verdict": verdict, "undefined": 0}


def found(**more):
    models = [{"name": name, "seeds": 1, "values": VALUES} for name in ("[bold]a", "b")]
    rows = [row("b", "accuracy", "none"), row("b", "loss", "none", None, None)]
    return {
        "part": "val",
        "tta": False,
        "images": 1200,
        "unit": "image",
        "units": 1200,
        "resamples": 2000,
        "groups_unknown": False,
        "models": models,
        "differences": rows,
        "trivial": {"class": "cat", "values": {"accuracy": 0.5, "loss": 0.7}},
        **more,
    }


def test_it_names_the_first_and_what_is_undefined_is_a_dash():
    lines = comparison_text(found()).splitlines()
    assert lines[0] == "2 models on 1,200 val images, each against A"
    assert lines[2:5] == ["A  [bold]a", "B  b", "-  always 'cat', as often as in training"]
    assert [line.split() for line in lines[8:10]] == [
        ["accuracy", "0.9000", "0.9000", "0.5000"],
        ["loss", "-", "-", "0.7000"],
    ]
    assert [line.split() for line in lines[10:] if line.startswith(("accuracy", "loss"))] == [
        ["accuracy", "+0.1250", "-0.2500", "to", "+0.5000", "bootstrap", "<0.001", "0.250"],
        ["loss", "-", "-0.2500", "to", "+0.5000", "bootstrap", "-", "-"],
    ]
    assert "B against A:" in lines


def test_it_says_plainly_what_is_shown_and_what_is_not():
    rows = [row("b", "accuracy", "better"), row("b", "loss", "worse"), row("b", "mcc", "none")]
    lines = comparison_text(found(differences=rows)).splitlines()
    assert {"better: accuracy", "worse: loss", "no difference shown: mcc"} <= set(lines)
    assert "p is corrected for all 3 questions (Holm); no difference shown is not the same as equal" in lines


def test_it_says_what_the_intervals_leave_out():
    text = comparison_text(found())
    assert "one seed each: what another seed would change is not in the intervals" in text
    assert "val chose the weights of each model" in text and "warning" not in text
    models = [{"name": "a", "seeds": 5, "values": VALUES}, {"name": "b", "seeds": 2, "values": VALUES}]
    text = comparison_text(found(models=models))
    assert "the intervals hold for other seeds as well (Welch)" in text
    assert "A  a, mean of 5 seeds" in text and "B: 2 seeds, fewer than 3" in text and "A: 5" not in text
    models[1]["seeds"] = 1
    text = comparison_text(found(models=models))
    assert "B: 1 seed: what another seed of it would change is not in the intervals" in text
    text = comparison_text(found(part="test", groups_unknown=True, unit="group", units=6))
    assert "val chose" not in text
    assert "warning: the data has groups, but those of these images are not known" in text
    assert "warning: 6 groups, fewer than 50: the intervals are probably too narrow" in text
    assert "resamples of 1 group, the same" in comparison_text(found(unit="group", units=1))


def test_j2_a_model_that_looks_at_nothing_is_named():
    models = [{"name": "a", "seeds": 1, "values": VALUES}, {"name": "b", "seeds": 1, "values": {"accuracy": 0.5}}]
    models[1]["values"]["loss"] = 0.7
    assert "warning: b is no more accurate than always 'cat'" in comparison_text(found(models=models))
    assert "always" not in comparison_text(found(trivial=None))

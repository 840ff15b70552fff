from cvrun.report.slices import predictive_table, scatter_table, slice_table

ROW = {"value": "b", "images": 40, "correct": 36, "accuracy": 0.9, "low": 0.7695, "high": 0.9604}


def test_a_row_a_value_and_one_line_for_what_is_hidden():
    rows = [{**ROW, "balanced_accuracy": 0.88}, {**ROW, "value": "", "images": 1200, "balanced_accuracy": None}]
    text = slice_table("site", {"slices": rows, "hidden": {"values": 2, "images": 11}, "worst": {}}, 10)
    lines = text.splitlines()
    assert lines[0] == ""
    assert lines[1].split() == ["site", "images", "accuracy", "95%", "interval", "balanced", "accuracy"]
    assert lines[3].split() == ["b", "40", "0.9000", "0.769", "to", "0.960", "0.8800"]
    assert lines[4].split() == ["(none)", "1,200", "0.9000", "0.769", "to", "0.960", "-"]
    assert lines[5] == "site: hidden: 2 values with fewer than 10 images, together 11 images"


def test_where_nothing_is_hidden_nothing_is_said_of_it():
    rows, worst = [{**ROW, "balanced_accuracy": 1.0}], {"accuracy": {"value": "b", "accuracy": 0.9}}
    text = slice_table("site", {"slices": rows, "hidden": {"values": 0, "images": 0}, "worst": worst}, 10)
    assert "hidden" not in text
    # One value is not the worst of any.
    assert "worst" not in text


def test_m17_the_worst_value_is_named_by_each_metric():
    rows = [{**ROW, "balanced_accuracy": 0.88}, {**ROW, "value": "", "accuracy": 0.7, "balanced_accuracy": None}]
    worst = {
        "accuracy": {"value": "", "accuracy": 0.7},
        "balanced_accuracy": {"value": "b\x1b[2J", "balanced_accuracy": 0.88},
        "kappa": {"value": "b", "kappa": 0.1},
    }
    text = slice_table("site", {"slices": rows, "hidden": {"values": 0, "images": 0}, "worst": worst}, 10)
    said = "site: worst accuracy 0.7000 ((none)), worst balanced accuracy 0.8800 (b\\x1b[2J)"
    assert text.splitlines()[-1] == said


def test_where_all_is_hidden_there_is_no_table():
    text = slice_table("site", {"slices": [], "hidden": {"values": 1, "images": 1}, "worst": {"accuracy": None}}, 10)
    assert text == "\nsite: hidden: 1 value with fewer than 10 images, together 1 image\n"


def test_predictive_values_stand_beside_what_they_follow_from():
    row = {"class": "ill", "prevalence": 0.01, "sensitivity": 0.9, "specificity": 0.9, "ppv": 0.0833, "npv": None}
    text = predictive_table([{**row, "sensitivity_interval": [0.8, 0.95], "specificity_interval": [0.85, 0.93]}])
    cells = [cell for cell in text.splitlines()[3].split("  ") if cell]
    assert [cell.strip() for cell in cells] == [
        "ill",
        "0.01",
        "0.9000 (0.800 to 0.950)",
        "0.9000 (0.850 to 0.930)",
        "0.0833",
        "-",
    ]


def test_scatter_is_one_row():
    found = {"features": 16, "within": 1.0, "between": 25.0, "total": 26.0, "ratio": None}
    assert scatter_table(found).splitlines()[3].split() == ["16", "1", "25", "26", "-"]

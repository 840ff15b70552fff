import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from cvrun.report.run_record import RunRecord
from cvrun.report.run_training import fit, training

ROWS = [
    {"step": 10, "epoch": 1.0, "train/loss": 1.0, "train/lr": 0.1, "val/loss": 0.8, "val/accuracy": 0.5},
    {"step": 15, "epoch": 1.5, "train/loss": 0.9, "train/lr": 0.1},
    {"step": 20, "epoch": 2.0, "train/loss": 0.6, "train/lr": 0.05, "val/loss": 0.7, "val/accuracy": 0.7},
    {"step": 30, "epoch": 3.0, "train/loss": 0.4, "train/lr": 0.01, "val/loss": 0.9, "val/accuracy": 0.6},
]


def record(rows=ROWS, train=None, val=None, monitor="val/accuracy"):
    status = {"monitor": monitor, "best_step": 20}
    evaluated = {name: {"metrics": each} for name, each in (("train", train), ("val", val)) if each}
    return RunRecord("runs/a", status, {}, rows, evaluated, [], [], "", None)


def shown(section):
    return "".join(part.text for part in section.body)


def test_each_curve_has_a_point_for_each_record_that_has_it():
    text = shown(training(record()))
    root = ElementTree.fromstring(f"<x>{text}</x>")
    count = {each.find("figcaption").text: [] for each in root.iter("figure")}
    for figure in root.iter("figure"):
        lines = figure.iter("polyline")
        count[figure.find("figcaption").text] = [len(line.get("points").split()) for line in lines]
    assert count == {"Loss": [4, 3], "Validation scores": [3], "Learning rate": [4]}


def test_a_run_without_records_says_so():
    assert "no records yet" in shown(training(record([])))


@pytest.mark.parametrize(
    ("train", "val", "said"),
    [(0.99, 0.60, "Verdict: over-fitting"), (0.55, 0.54, "Verdict: under-fitting"), (0.97, 0.96, "No sign of")],
)
def test_d4_the_section_gives_train_val_gap_and_verdict(train, val, said):
    text = shown(fit(record(train={"accuracy": train}, val={"accuracy": val})))
    assert said in text
    assert all(f"{number:.4f}" in text for number in (train, val, train - val))
    assert "Rule of thumb" in text


def test_a_score_of_training_images_that_is_not_known_is_asked_for():
    text = shown(fit(record(val={"accuracy": 0.9})))
    assert "cvrun eval runs/a --split train" in text and "Verdict" not in text


def test_a_monitored_loss_is_judged_by_accuracy():
    both = {"loss": 0.1, "accuracy": 0.99}, {"loss": 2.0, "accuracy": 0.6}
    assert "over-fitting." in shown(fit(record(train=both[0], val=both[1], monitor="val/loss")))


def test_where_the_loss_was_lowest_is_said():
    assert "lowest at epoch 2.0, 0.7000, and 0.9000 at the last evaluation, epoch 3.0" in shown(fit(record()))


def evaluated(train_step, val_step):
    both = record(train={"accuracy": 0.99}, val={"accuracy": 0.6})
    steps = {"train": {"step": train_step}, "val": {"step": val_step} if val_step else {}}
    found = {part: {**each, **steps[part]} for part, each in both.evaluated.items()}
    return replace(both, path="my runs/a", evaluated=found)


@pytest.mark.parametrize(
    ("train", "val", "known"), [(20, 20, True), (10, 20, False), (10, None, False), (20, None, True)]
)
def test_scores_of_different_weights_are_not_compared(train, val, known):
    """Without a step of its own, that of validation is of the best weights, which are of step 20."""
    text = shown(fit(evaluated(train, val)))
    assert ("Verdict: over-fitting" in text) == known
    assert ("weights of another step. `cvrun eval &#x27;my runs/a&#x27; --split train`" in text) != known


@pytest.mark.parametrize("bad", [10**400, float("inf"), float("nan"), "1", True])
@pytest.mark.parametrize("name", ["val/loss", "val/accuracy", "train/lr", "epoch"])
def test_what_is_no_number_of_a_record_is_no_point(name, bad):
    rows = [{**row, name: bad} if row["step"] == 20 else row for row in ROWS]
    for section in (training(record(rows)), fit(record(rows, train={"accuracy": 0.9}, val={"accuracy": 0.9}))):
        assert "inf" not in shown(section).replace("info", "") and "<svg" in shown(training(record(rows)))

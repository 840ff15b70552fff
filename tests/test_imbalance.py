"""How large the classes are and what is done about it: in the plan, and through train, eval and predict."""

import csv
import dataclasses
import json

import numpy as np
import pytest
import yaml
from PIL import Image

from cvrun import config
from cvrun.errors import ConfigError
from cvrun.imbalance import Imbalance, effective_size, imbalance_of, shown_by
from cvrun.prepare import prepare
from cvrun.selection import select
from cvrun.trainer import checkpoint

QUICK = ["model.width=4", "model.blocks=[1]", "trainer.batch_size=8", "trainer.epochs=2", "data.size=4", "workers=0"]


@pytest.fixture
def unbalanced(tmp_path) -> list[str]:
    """180 images of one class and 20 of another, which differ a little in brightness; the words that choose them."""
    random = np.random.default_rng(0)
    root = tmp_path / "images"
    for name, count, level in (("common", 180, 90), ("rare", 20, 120)):
        (root / name).mkdir(parents=True)
        for i in range(count):
            pixels = np.clip(random.normal(level, 40, (4, 4)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i:03d}.png")
    return [*QUICK, "data=folder", f"data.root={root}", "data.channels=1", "split.val=0.2", "split.test=0.2"]


def plan_of(words, *more):
    return prepare(config.compose([*words, *more])).plan


BALANCED = Imbalance((50, 50), 100, (0.5, 0.5), (1.0, 1.0), (), "natural", "none", "none")
BLOOD = Imbalance(
    counts=(2679, 241, 234),
    epoch_images=3154,
    shown=(2679 / 3154, 241 / 3154, 234 / 3154),
    class_weights=(1.0, 1.0, 1.0),
    prior_shift=(),
    sampler="natural",
    weighting="none",
    prior="none",
)


def test_equal_classes_are_not_spoken_of():
    assert BALANCED.line() == "" and BALANCED.warnings("val/accuracy") == []
    assert dataclasses.replace(BALANCED, counts=(60, 40), shown=(0.6, 0.4)).line() == ""


def test_the_line_says_what_is_shown_and_at_which_shares_probabilities_are():
    counts = "training images 2,679/241/234 (11.4 to 1)"
    assert BLOOD.line() == f"{counts}; shown as they are; class weights none; probabilities at the training shares"
    weighted = dataclasses.replace(BLOOD, shown=(1 / 3, 1 / 3, 1 / 3), sampler="weighted")
    assert weighted.line() == (
        f"{counts}; shown as 1/3 each by sampler weighted; class weights none;"
        " probabilities as trained (task.prior=train corrects them)"
    )
    corrected = dataclasses.replace(weighted, prior="train", prior_shift=(0.9, -1.4, -1.5))
    assert corrected.line().endswith("; probabilities at the training shares (task.prior=train)")
    given = dataclasses.replace(weighted, prior="98/1/1 %", prior_shift=(1.0, -3.5, -3.5))
    assert given.line().endswith("; probabilities at 98/1/1 % (task.prior)")
    loss = dataclasses.replace(BLOOD, class_weights=(0.4, 4.4, 4.5), weighting="balanced")
    assert "; shown as they are; class weights balanced; probabilities as trained (" in loss.line()
    part = dataclasses.replace(BLOOD, shown=(0.6, 0.2, 0.2), sampler="undersample")
    assert "; shown as 60/20/20 % by sampler undersample; " in part.line()


def test_of_many_classes_the_ends_are_named():
    counts = tuple(range(10, 1001, 10))
    many = dataclasses.replace(
        BLOOD, counts=counts, shown=(0.01,) * 100, class_weights=(1.0,) * 100, sampler="weighted"
    )
    assert many.line().startswith("training images 10 to 1,000 a class (100.0 to 1); shown as 1/100 each by ")


@pytest.mark.parametrize(
    ("counts", "monitor", "warned"),
    [
        ((301, 100), "val/accuracy", True),
        ((300, 100), "val/accuracy", False),
        ((301, 100), "val/ema/accuracy", True),
        ((301, 100), "val/balanced_accuracy", False),
        ((301, 100), "val/loss", False),
    ],
)
def test_e2_a_score_that_rewards_the_majority_is_warned_about(counts, monitor, warned):
    shares = tuple(count / sum(counts) for count in counts)
    found = dataclasses.replace(BALANCED, counts=counts, shown=shares).warnings(monitor)
    better = monitor.replace("accuracy", "balanced_accuracy")
    said = f"{monitor} rewards the majority class, which is 3.0 times the smallest: monitor.metric={better} counts"
    assert [line.startswith(said) for line in found] == [True] * warned
    assert dataclasses.replace(BALANCED, counts=counts).warnings(monitor) == []  # shown as 1/2 each


def test_a_sampler_and_class_weights_together_are_warned_about():
    both = dataclasses.replace(BLOOD, shown=(0.6, 0.2, 0.2), class_weights=(1.0, 2.0, 2.0), sampler="undersample")
    assert both.warnings("val/loss") == ["sampler=undersample and loss.class_weights correct the imbalance twice"]
    for one in ({"shown": BLOOD.shown}, {"class_weights": (2.0, 2.0, 2.0)}):
        assert dataclasses.replace(both, **one).warnings("val/loss") == []


@pytest.mark.parametrize(
    ("shift", "monitor", "warned"),
    [
        ((0.9, -1.4, -1.5), "val/balanced_accuracy", True),
        ((0.9, -1.4, -1.5), "val/ema/macro_recall", True),
        ((0.9, -1.4, -1.5), "val/loss", False),
        ((), "val/balanced_accuracy", False),
    ],
)
def test_a_correction_that_the_score_does_not_reward_is_warned_about(shift, monitor, warned):
    part = dataclasses.replace(BLOOD, shown=(0.6, 0.2, 0.2), prior="train", prior_shift=shift, sampler="undersample")
    assert [line.startswith("task.prior=train lets") for line in part.warnings(monitor)] == [True] * warned


@pytest.mark.parametrize("sampler", ["undersample", "oversample", "weighted"])
def test_every_sampler_with_class_weights_is_warned_about(sampler, unbalanced):
    words = [*unbalanced, f"sampler={sampler}", "loss.class_weights=sqrt"]
    assert plan_of(words).warnings == (f"sampler={sampler} and loss.class_weights correct the imbalance twice",)


# 200 images, a fifth each for validation and test: 108 and 12 for training.


@pytest.mark.parametrize(
    ("words", "images", "shown"),
    [
        ([], 120, [0.9, 0.1]),
        (["sampler=undersample"], 24, [0.5, 0.5]),
        (["sampler=undersample", "sampler.ratio=3"], 48, [0.75, 0.25]),
        (["sampler=oversample"], 216, [0.5, 0.5]),
        (["sampler=oversample", "sampler.ratio=0.5"], 162, [2 / 3, 1 / 3]),
        (["sampler=weighted"], 120, [0.5, 0.5]),
        (["sampler=weighted", "sampler.weighting=sqrt"], 120, [0.75, 0.25]),
    ],
)
def test_a1_e6_training_alone_is_resampled(words, images, shown, unbalanced):
    natural, prepared = (prepare(config.compose([*unbalanced, *more])) for more in ([], words))
    plan = prepared.plan
    assert plan.data.counts == natural.plan.data.counts == {"train": (108, 12), "val": (36, 4), "test": (36, 4)}
    for part in ("train", "val", "test"):
        assert np.array_equal(prepared.split.parts()[part], natural.split.parts()[part])
    assert plan.data.split_fingerprint == natural.plan.data.split_fingerprint
    assert plan.imbalance.epoch_images == images
    assert plan.imbalance.shown == pytest.approx(shown)
    assert (plan.training.steps_per_epoch, plan.training.total_steps) == (images // 8, 2 * (images // 8))
    rest = f"; each leaves out {images % 8} images" if images % 8 > 1 else ""
    assert dict(plan.lines())["steps"] == f"{2 * (images // 8)}: 2 epochs of {images // 8}{rest}"


def test_a_batch_is_at_most_what_an_epoch_shows(unbalanced):
    assert plan_of(unbalanced, "sampler=undersample", "trainer.batch_size=24").training.steps_per_epoch == 1
    said = "trainer.batch_size=25: expected at most the 24 images that an epoch of sampler=undersample shows"
    with pytest.raises(ConfigError, match=said):
        plan_of(unbalanced, "sampler=undersample", "trainer.batch_size=25")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["sampler=undersample"], [np.log(0.9 / 0.5), np.log(0.1 / 0.5)]),
        (["loss.class_weights=balanced"], [np.log(0.9 / 0.5), np.log(0.1 / 0.5)]),
        # Weights in the ratio 1 to 4: shown as .9 to .4.
        (["loss.class_weights=[1,4]"], [np.log(0.9 / (0.9 / 1.3)), np.log(0.1 / (0.4 / 1.3))]),
        ([], []),
        (["sampler=oversample", "sampler.ratio=0.01"], []),
        (["loss.class_weights=[2,2]"], []),
    ],
)
def test_the_shift_follows_sampler_and_class_weights(words, expected, unbalanced):
    found = plan_of(unbalanced, "task.prior=train", *words).imbalance.prior_shift
    assert list(found) == pytest.approx(expected)


def test_the_plan_keeps_it_as_plain_values(unbalanced):
    plan = plan_of(unbalanced, "sampler=undersample", "task.prior=[0.99,0.01]")
    kept = yaml.safe_load(plan.to_yaml())["imbalance"]
    assert kept["epoch_images"] == 24 and kept["shown"] == [0.5, 0.5] and kept["class_weights"] == []
    assert np.exp(kept["prior_shift"]) == pytest.approx([1.98, 0.02])
    assert (
        kept["line"]
        == dict(plan.lines())["imbalance"]
        == (
            "training images 108/12 (9.0 to 1); shown as 1/2 each by sampler undersample; class weights none;"
            " probabilities at 99/1 % (task.prior)"
        )
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["task.prior=[0.2,0.3,0.5]"], "task.prior=[0.2, 0.3, 0.5]: expected 2 shares, one a class"),
        (["task.prior=[0.9,0.2]"], "task.prior=[0.9, 0.2]: expected shares with the sum 1; it is 1.1"),
        (["task.prior=val"], "task.prior=val: expected none, train, or a list"),
        (["sampler=undersample", "sampler.ratio=0.5"], "sampler.ratio=0.5: expected ratio >= 1"),
        (["sampler=weighted", "sampler.weighting=column"], "sampler.weighting=column: expected data with a weight"),
    ],
)
def test_what_does_not_fit_is_one_line(words, said, unbalanced):
    with pytest.raises(ConfigError) as caught:
        plan_of(unbalanced, *words)
    assert str(caught.value).startswith(said) and "\n" not in str(caught.value)


def test_weights_of_the_data_are_drawn_by_or_refused(unbalanced):
    spec = config.compose(unbalanced)
    selection = select(spec)
    weights = np.arange(1.0, 201.0)
    manifest = dataclasses.replace(selection.manifest, weights=weights)
    with pytest.raises(ConfigError, match="^data.weight_column: the data has weights, expected sampler=weighted"):
        imbalance_of(spec, manifest, selection.split)
    drawing = config.compose([*unbalanced, "sampler=weighted", "sampler.weighting=column"])
    found = imbalance_of(drawing, manifest, selection.split)
    train, labels = selection.split.train, manifest.labels
    share = weights[train][labels[train] == 1].sum() / weights[train].sum()
    assert found.shown[1] == pytest.approx(share)
    assert np.array_equal(shown_by(manifest, selection.split).weights, weights[train])


def test_weights_within_classes_are_disclosed_although_the_classes_stay_equal(unbalanced):
    """Each class has one image that counts 1,000 and nine that count 1."""
    spec = config.compose([*unbalanced, "sampler=weighted", "sampler.weighting=column"])
    selection = select(spec)
    labels = selection.manifest.labels
    train = np.concatenate([selection.split.train[labels[selection.split.train] == k][:10] for k in (0, 1)])
    weights = np.ones(200)
    weights[train[[0, 10]]] = 1000
    found = imbalance_of(
        spec,
        dataclasses.replace(selection.manifest, weights=weights),
        dataclasses.replace(selection.split, train=train),
    )
    assert found.shown == (0.5, 0.5) and not found.resampled
    # (2 * 1009)**2 / (2 * (10**6 + 9)) = 2.036
    drawn = "drawn by data.weight_column with replacement, worth 2.0 of 20 images with equal weights"
    assert found.line() == (
        f"training images 10/10 (1.0 to 1); shown as they are; {drawn}; class weights none;"
        " probabilities at the training shares"
    )
    assert found.plain()["line"] == found.line()


@pytest.mark.parametrize("size", [1e308, 1.0, 1e-300])
def test_what_weighted_images_are_worth(size):
    assert effective_size(np.full(7, size)) == pytest.approx(7)
    assert effective_size(size * np.array([1.0, 0.5, 0.5])) == pytest.approx(4 / 1.5)


MIXED = ["augment=mixup", "augment.crop_padding=0"]


@pytest.mark.parametrize(
    ("words", "causes"),
    [
        (["loss.label_smoothing=0.1"], "loss.label_smoothing=0.1"),
        (MIXED, "augment.mixup_alpha=0.2"),
        ([*MIXED, "augment.mixup_alpha=0", "augment.cutmix_alpha=1"], "augment.cutmix_alpha=1"),
        ([*MIXED, "loss.label_smoothing=0.05"], "loss.label_smoothing=0.05 and augment.mixup_alpha=0.2"),
        ([*MIXED, "augment.mix_probability=0"], None),
        ([], None),
    ],
)
def test_a2_soft_targets_make_the_correction_approximate(words, causes, unbalanced):
    said = f"task.prior=train corrects probabilities approximately: {causes} makes targets soft"
    corrected = ["sampler=undersample", "task.prior=train"]
    assert plan_of(unbalanced, *corrected, *words).warnings == ((said,) if causes else ())
    # Nothing is shifted, so nothing is approximate.
    for prior in (["sampler=undersample"], ["task.prior=train", "sampler=oversample", "sampler.ratio=0.01"]):
        assert not [line for line in plan_of(unbalanced, *prior, *words).warnings if "approximately" in line]


def trained(call, words, *more):
    said = call("train", *words, *more)
    assert said.code == 0, said.err
    return said


def log_odds(probabilities):
    return np.log(probabilities[:, 1].astype(np.float64)) - np.log(probabilities[:, 0].astype(np.float64))


def test_a2_the_correction_holds_in_training_eval_and_predict(call, unbalanced, tmp_path):
    # One evaluation: with two, the score could choose other weights.
    words = [*unbalanced, "sampler=undersample", "trainer.epochs=1"]
    trained(call, words, "name=raw")
    shown = trained(call, words, "name=corrected", "task.prior=train")
    raw, corrected = (next((tmp_path / "outputs" / name).iterdir()) for name in ("raw", "corrected"))
    assert raw.name != corrected.name
    plain, moved = (np.load(run / "predictions" / "val.npz") for run in (raw, corrected))
    # The weights are the same; 1:1 instead of 9:1 is a shift by ln(1 / 9).
    there = log_odds(moved["probabilities"])
    assert there - log_odds(plain["probabilities"]) == pytest.approx(np.full(40, -np.log(9)), abs=1e-4)
    meta = checkpoint.read(checkpoint.commits(corrected / "checkpoints", "best")[0])["meta"]
    assert meta["prior_shift"] == pytest.approx([np.log(1.8), np.log(0.2)])
    targets = moved["targets"]
    status = json.loads((corrected / "status.json").read_text())
    expected = -np.log(moved["probabilities"][np.arange(40), targets].astype(np.float64)).mean()
    assert status["metrics"]["val/loss"] == pytest.approx(expected, rel=1e-6)

    found = json.loads(call("eval", corrected, "--json").out)
    assert found["metrics"] == {name.removeprefix("val/"): value for name, value in status["metrics"].items()}
    root = tmp_path / "images"
    paths = [root / name for name in moved["ids"]]
    assert call("predict", corrected, *paths, "--output", "p.csv").code == 0
    with (tmp_path / "p.csv").open(newline="") as file:
        rows = [[np.float32(row["common"]), np.float32(row["rare"])] for row in csv.DictReader(file)]
    assert np.array_equal(np.array(rows), moved["probabilities"])
    line = "training images 108/12 (9.0 to 1); shown as 1/2 each by sampler undersample; class weights none; "
    line += "probabilities at the training shares (task.prior=train)"
    assert f"imbalance: {line}" in shown.out.splitlines()
    assert f"imbalance  {line}" in shown.err.splitlines()


def test_a1_check_shows_the_shares_beside_the_images(call, unbalanced):
    table = call("check", *unbalanced, "sampler=undersample", "sampler.ratio=3").out.replace(" %", "%")
    rows = [line.split() for line in table.splitlines()]
    assert ["class", "train", "shown", "val", "test"] in rows
    assert ["common", "108", "75.0%", "36", "36"] in rows and ["rare", "12", "25.0%", "4", "4"] in rows
    assert "shown" not in call("check", *unbalanced).out.partition("\n\n")[2]


def test_nothing_to_correct_changes_no_bit(call, unbalanced, tmp_path):
    for prior in ("none", "train"):
        trained(call, unbalanced, f"name={prior}", f"task.prior={prior}")
    first, second = (next((tmp_path / "outputs" / name).iterdir()) for name in ("none", "train"))
    one, two = (np.load(run / "predictions" / "val.npz")["probabilities"] for run in (first, second))
    assert np.array_equal(one, two)


def test_a_checkpoint_of_before_has_no_shift(call, unbalanced, tmp_path, monkeypatch):
    trained(call, [*unbalanced, "sampler=undersample"])
    run = next((tmp_path / "outputs" / "run").iterdir())
    real = checkpoint.read

    def read(path):
        content = real(path)
        del content["meta"]["prior_shift"]
        return content

    before = json.loads(call("eval", run, "--json").out)
    monkeypatch.setattr(checkpoint, "read", read)
    assert json.loads(call("eval", run, "--json").out) == before

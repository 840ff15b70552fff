"""task=multilabel: by itself, and from the table of labels to what every command says about the run."""

import csv
import io
import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn import metrics as sk
from torch import nn

from cvrun.cli import main
from cvrun.loss.binary_cross_entropy import Config as LossConfig
from cvrun.loss.binary_cross_entropy import build as build_loss
from cvrun.metric import Prediction
from cvrun.pipeline import Batch
from cvrun.task.multilabel import Config, build, prior_shift
from cvrun.trainer import PLAIN
from cvrun.tta import TTA, View

NAMES = ("blue", "green", "red")
CHANNEL = {"red": 0, "green": 1, "blue": 2}


@pytest.fixture
def batch():
    torch.manual_seed(0)
    target = torch.tensor([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0], [0, 0, 1]], dtype=torch.uint8)
    return Batch(torch.randn(5, 3, 4, 4), target, torch.arange(5))


@pytest.fixture
def model():
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 3))


def task(smoothing=0.0):
    return build(Config(), build_loss(LossConfig(smoothing, "none"), np.array([2, 2, 3])), (), ())


def test_parts_add_up_to_the_mean_binary_cross_entropy(batch, model):
    whole = nn.functional.binary_cross_entropy(torch.sigmoid(model(batch.image)), batch.target.float())
    total = sum(task().loss(model, part, batch) for part in batch.parts(2))
    assert total.item() == pytest.approx(whole.item(), rel=1e-6)
    assert task().weight(batch).item() == 5


def test_a_probability_is_that_of_a_label_by_itself(batch, model):
    found = task().predict(model, batch.image, PLAIN)
    torch.testing.assert_close(found, torch.sigmoid(model(batch.image)))


@pytest.mark.parametrize("merge", ["mean", "gmean", "mean_logits"])
def test_views_are_merged_label_by_label(batch, model, merge):
    same = View("same", lambda image: image, lambda mask, size: mask)
    flipped = View("hflip", lambda image: image.flip(3), lambda mask, size: mask.flip(3))
    found = task().predict(model, batch.image, TTA((same, flipped), merge))
    z = [model(batch.image), model(batch.image.flip(3))]
    # The geometric means of p and of 1 - p, scaled to the sum 1, are those of the mean logit.
    wanted = torch.sigmoid(sum(z) / 2) if merge != "mean" else sum(map(torch.sigmoid, z)) / 2
    torch.testing.assert_close(found, wanted)


def test_there_is_no_prior_to_correct():
    assert prior_shift(Config(), np.array([0.9, 0.1]), np.array([0.5, 0.5])) == ()


def test_details_have_a_2x2_table_a_label_and_no_confusion_matrix(batch):
    truth = batch.target.numpy().astype(np.int64)
    found = task().details(Prediction(np.full((5, 3), 0.7, dtype=np.float32), truth), NAMES)
    assert [row["class"] for row in found["per_class"]] == list(NAMES)
    assert [row["confusion"] for row in found["per_class"]] == [[[0, 3], [0, 2]], [[0, 3], [0, 2]], [[0, 2], [0, 3]]]
    assert "confusion_matrix" not in found
    # No image is called free of a label.
    assert found["undefined"]["macro_npv"] == 3


def write_images(root, seed=0, number=160):
    random = np.random.default_rng(seed)
    (root / "images").mkdir(parents=True)
    lines = ["path,label"]
    for i in range(number):
        own = [name for name, share in zip(NAMES, (0.2, 0.3, 0.5), strict=True) if random.random() < share]
        pixels = random.integers(0, 60, (8, 8, 3))
        for name in own:
            pixels[..., CHANNEL[name]] += 8
        Image.fromarray(pixels.astype(np.uint8)).save(root / f"images/{i:03d}.png")
        lines.append(f"images/{i:03d}.png,{';'.join(own)}")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    return root


def words(root):
    own = ["data=csv", f"data.root={root}", "data.label_separator=';'", "data.size=8", "task=multilabel"]
    more = ["loss=binary_cross_entropy", "monitor.metric=val/macro_f1", "trainer.batch_size=16", "model.width=8"]
    return [*own, *more, "trainer.epochs=3", "split.val=0.25", "split.test=0.25"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Images, and a run on them with test-time augmentation; nobody may change them."""
    root = tmp_path_factory.mktemp("labels")
    data = write_images(root / "data")
    assert main(["train", *words(data), "tta=hflip", f"output_root={root}/out", "logger=[]"]) == 0
    return data, next(root.glob("out/run/*"))


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained[1], tmp_path / "outputs/run" / trained[1].name)


def truth_of(data):
    with (data / "manifest.csv").open(newline="") as file:
        return {row["path"]: [int(name in row["label"].split(";")) for name in NAMES] for row in csv.DictReader(file)}


def test_h8_what_is_saved_gives_the_metrics_by_scikit_learn(call, trained, run):
    found = json.loads(call("eval", run, "--json", "--resamples", "200").out)
    with np.load(run / "predictions/val.npz") as content:
        p, y, ids, classes = (content[name] for name in ("probabilities", "targets", "ids", "classes"))
    truth = truth_of(trained[0])
    assert tuple(classes) == NAMES and p.shape == y.shape == (40, 3)
    assert y.tolist() == [truth[name] for name in ids.tolist()]
    metrics, given = found["metrics"], (p >= 0.5).astype(int)
    assert metrics["macro_f1"] == pytest.approx(sk.f1_score(y, given, average="macro"))
    assert metrics["micro_f1"] == pytest.approx(sk.f1_score(y, given, average="micro"))
    assert metrics["mean_average_precision"] == pytest.approx(sk.average_precision_score(y, p))
    assert metrics["roc_auc"] == pytest.approx(sk.roc_auc_score(y, p))
    assert metrics["subset_accuracy"] == pytest.approx(sk.accuracy_score(y, given))
    assert metrics["hamming_loss"] == pytest.approx(sk.hamming_loss(y, given))
    assert [row["confusion"] for row in found["per_class"]] == sk.multilabel_confusion_matrix(y, given).tolist()
    low, high = found["intervals"]["loss"]
    assert low < metrics["loss"] < high
    assert found["uncertainty"]["rate"] == "subset_accuracy"
    status = json.loads((run / "status.json").read_text())
    assert status["score"] == pytest.approx(metrics["macro_f1"])


def test_the_model_learns_which_labels_an_image_has(trained):
    metrics = json.loads((trained[1] / "predictions/val.json").read_text())["metrics"]
    assert metrics["roc_auc"] > 0.9


def test_predict_gives_each_probability_and_the_labels_of_one_half_or_more(call, trained, run, tmp_path):
    data = trained[0]
    with np.load(run / "predictions/val-tta.npz") as content:
        ids, probabilities = content["ids"].tolist(), content["probabilities"]
    said = call("predict", run, *[data / name for name in ids])
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert list(rows[0]) == ["path", "labels", *NAMES]
    for row, own in zip(rows, probabilities, strict=True):
        assert [float(row[name]) for name in NAMES] == pytest.approx(own.tolist(), abs=1e-5)
        assert row["labels"] == ";".join(name for name in NAMES if float(row[name]) >= 0.5)
    content = json.loads(call("predict", run, data / ids[0], "--json").out)[0]
    assert content["labels"] == [name for name in NAMES if content["probabilities"][name] >= 0.5]
    table = pytest.importorskip("pyarrow.parquet")
    assert call("predict", run, data / ids[0], "--output", tmp_path / "p.parquet").code == 0
    row = table.read_table(tmp_path / "p.parquet").to_pylist()[0]
    assert row["labels"] == rows[0]["labels"] and list(row) == list(rows[0])


def test_a_test_set_from_elsewhere_has_the_labels_of_the_model(call, run, tmp_path):
    other = write_images(tmp_path / "other", seed=7, number=30)
    found = json.loads(call("test", run, "--unseal", "--external", f"other={other}", "--json", "--resamples", "0").out)
    assert found["images"] == 30
    with np.load(run / "predictions/test-other.npz") as content:
        truth = truth_of(other)
        assert content["targets"].tolist() == [truth[name] for name in content["ids"].tolist()]
    lines = (other / "manifest.csv").read_text().replace("red", "pink")
    (other / "manifest.csv").write_text(lines)
    said = call("test", run, "--unseal", "--external", f"third={other}")
    assert said.code == 3 and "class 'pink' is unknown to the model" in said.err


def test_the_report_shows_labels_and_says_nothing_of_one_class(call, run):
    assert call("eval", run, "--resamples", "200").code == 0
    assert call("report", run).code == 0
    page = (run / "report.html").read_text()
    assert "Each label by itself" in page and "subset_accuracy Wilson" in page
    assert "Confusion matrix" not in page and "no predictions" not in page
    assert "subset\\_accuracy" in call("report", run, "--format", "md").out
    assert json.loads(call("report", run, "--format", "json").out)["evaluated"]["val"]["metrics"]["micro_f1"] > 0
    assert "each label by itself, those of 0.5 or more" in call("report", run, "--checklist", "tripod").out


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("calibrate", "{run}", "--temperature"), "expected those of one class an image (task=classification)"),
        (("suspects", "{run}"), "expected those of one class an image (task=classification)"),
        (("export", "{run}"), "task=multilabel: has a probability for each label by itself"),
        (("eval", "{run}", "--by", "class"), "--by: looks at one class an image"),
        (("eval", "{run}", "--prevalence", "red=0.1"), "--prevalence: looks at one class an image"),
        (("eval", "{run}", "--scatter"), "--scatter: looks at one class an image"),
        (("report", "{run}", "--by", "class"), "--by class: looks at one class an image"),
    ],
)
def test_what_has_no_meaning_for_labels_is_one_line(call, run, command, said):
    found = call(*(word.format(run=run) for word in command))
    assert found.code in (2, 3) and said in found.err and found.err.count("\n") == 1


def test_runs_of_labels_are_no_ensemble_yet(call, trained, run, tmp_path):
    again = [*words(trained[0]), f"output_root={tmp_path}/again", "seed=1", "logger=[]", "trainer.epochs=1"]
    assert call("train", *again).code == 0
    found = call("ensemble", run, next(tmp_path.glob("again/run/*")))
    assert found.code == 3 and "expected those of one class an image (task=classification)" in found.err
    assert "Traceback" not in call("report", tmp_path).err


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("loss=cross_entropy", "loss=cross_entropy: expected binary_cross_entropy for any number of labels"),
        ("task=classification", "task=classification: expected multilabel for any number of labels"),
        ("sampler=oversample", "sampler=oversample: draws by the one class of an image, expected natural"),
        ("sampler=weighted", "sampler=weighted: draws by the one class of an image, expected natural"),
        ("monitor.metric=val/accuracy", "monitor.metric=val/accuracy: expected one of val/hamming_loss"),
        ("loss.positive_weights=[1,2]", "loss.positive_weights=[1.0, 2.0]: expected 3 numbers, one a label"),
    ],
)
def test_choices_for_one_class_are_refused(call, trained, word, said):
    found = call("check", *words(trained[0]), word)
    assert found.code == 2 and said in found.err and found.err.count("\n") == 1


def test_labels_are_refused_where_images_have_one_class(call):
    for word, fits in (("task=multilabel", "classification"), ("loss=binary_cross_entropy", "cross_entropy")):
        found = call("check", "data=digits", word)
        assert found.code == 2 and f"{word}: expected {fits} for one class an image" in found.err


def test_check_counts_labels_sets_and_images(call, trained):
    said = call("check", *words(trained[0])).out
    assert "3 labels in 8 sets" in said and "80 train, 40 val, 40 test" in said
    assert "(no label)" in said and "blue;green;red" in said
    assert "95% interval of subset_accuracy on 40 validation images" in said


@pytest.mark.parametrize(
    "more", [["augment=cutmix"], ["augment=mixup"], ["split=kfold"], ["data.subset=0.5"], ["trainer.accumulate=3"]]
)
def test_other_choices_work_with_labels(call, trained, tmp_path, more):
    chosen = [word for word in words(trained[0]) if not (word.startswith("split.") and "split=kfold" in more)]
    found = call("train", *chosen, *more, "trainer.epochs=1", f"output_root={tmp_path}/o", "logger=[]")
    assert found.code == 0, found.err


@pytest.mark.parametrize("cache", ["ram", "disk", "off"])
def test_wherever_images_are_kept_the_run_is_the_same(call, trained, tmp_path, cache):
    short = [*words(trained[0]), "trainer.epochs=1", "logger=[]", f"output_root={tmp_path}"]
    scores = set()
    for place in ("ram", cache):
        assert call("train", *short, f"cache={place}", "rerun=true").code == 0
        scores.add((next(tmp_path.glob("run/*")) / "predictions/val.json").read_text())
    assert len(scores) == 1


def test_a_change_of_a_label_is_another_data_set(call, trained, tmp_path):
    data = shutil.copytree(trained[0], tmp_path / "data")
    short = [*words(data), "trainer.epochs=1", "logger=[]", f"output_root={tmp_path}/o"]
    assert call("train", *short).code == 0
    lines = (data / "manifest.csv").read_text().splitlines()
    lines[5] = lines[5].partition(",")[0] + ",red;green;blue"
    (data / "manifest.csv").write_text("\n".join(lines) + "\n")
    found = call("train", *short)
    assert found.code == 4 and "the data changed since this run was started" in found.err

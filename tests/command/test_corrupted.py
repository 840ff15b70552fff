"""cvrun eval --corrupt: what corruptions cost, paired on the same images."""

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import t

from cvrun.command import _corrupted
from cvrun.corruption import corrupt


def document(said) -> dict:
    assert said.code == 0, said.err
    return json.loads(said.out)


def test_m18_the_clean_row_is_that_of_eval_and_nothing_more_is_saved(call, finished, tools):
    plain = document(call("eval", finished, "--json"))
    before = {name: file[1] for name, file in tools.files(finished).items()}
    held = np.load(finished / "predictions/val.npz")["probabilities"]
    both = document(call("eval", finished, "--json", "--corrupt", "noise", "--corrupt", "contrast=5"))
    found = both.pop("corrupted")
    assert both == plain
    assert found["clean"] == {"accuracy": plain["metrics"]["accuracy"]}
    assert [(row["corruption"], row["severity"]) for row in found["rows"]] == [
        ("noise", 1),
        ("noise", 3),
        ("noise", 5),
        ("contrast", 5),
    ]
    assert [row["parameter"] for row in found["rows"]] == [0.04, 0.08, 0.1, 0.15]
    assert {name: file[1] for name, file in tools.files(finished).items()} == before
    assert np.array_equal(np.load(finished / "predictions/val.npz")["probabilities"], held)


def test_m18_the_interval_is_that_of_the_paired_difference(call, finished, monkeypatch):
    kept = {}
    real = _corrupted._predicted
    monkeypatch.setattr(
        _corrupted, "_predicted", lambda run, there, each: kept.setdefault(each, real(run, there, each))
    )
    found = document(call("eval", finished, "--json", "--corrupt", "contrast=1", "--resamples", "4000"))["corrupted"]
    (row,), (prediction,) = found["rows"], kept.values()
    clean = np.load(finished / "predictions/val.npz")
    assert np.array_equal(prediction.targets, clean["targets"])
    right = clean["probabilities"].argmax(1) == clean["targets"]
    still = prediction.probabilities.argmax(1) == clean["targets"]
    each = right.astype(float) - still
    cell = row["metrics"]["accuracy"]
    assert cell["value"] == pytest.approx(still.mean()) and cell["drop"] == pytest.approx(each.mean())
    # The mean of differences of 180 images: the normal interval is near; unpaired ones were wider.
    half = 1.96 * each.std(ddof=1) / math.sqrt(len(each))
    assert cell["interval"] == pytest.approx([each.mean() - half, each.mean() + half], abs=0.2 * half)
    assert (found["unit"], found["units"], found["resamples"], found["confidence"]) == ("image", 180, 4000, 0.95)


def test_m18_what_the_model_sees_is_corrupted_before_the_normalization(call, finished, monkeypatch):
    seen = []

    def noted(image, index, name, severity):
        seen.append((image.dtype, index.clone(), image.clone()))
        return corrupt(image, index, name, severity)

    monkeypatch.setattr(_corrupted, "corrupt", noted)
    call("eval", finished, "--json", "--corrupt", "blur=5")
    assert {dtype for dtype, _, _ in seen} == {torch.uint8}
    table = [line.split(",") for line in (finished / "split.csv").read_text().splitlines()[1:]]
    assert sum(len(index) for _, index, _ in seen) == sum("val" in row for row in table) == 180


@pytest.mark.parametrize("size", [7, 180])
def test_m18_the_size_of_the_batches_changes_no_row(call, finished, monkeypatch, size):
    words = [word for name in ("noise=5", "jpeg=5", "brightness=2") for word in ("--corrupt", name)]
    first = document(call("eval", finished, "--json", *words))["corrupted"]
    real = _corrupted.evaluation_batches
    monkeypatch.setattr(
        _corrupted, "evaluation_batches", lambda there, normalize, _, *more: real(there, normalize, size, *more)
    )
    assert document(call("eval", finished, "--json", *words))["corrupted"] == first


def test_m18_the_table_fits_and_has_the_monitor_beside_accuracy(call, image_folder, tmp_path):
    words = [f"data.root={image_folder}", "data.size=12", "model.width=4", "trainer.epochs=2", "trainer.batch_size=8"]
    more = ["data=folder", "workers=0", "monitor.metric=val/loss", "split.test=0.2", f"output_root={tmp_path / 'o'}"]
    assert call("train", *words, *more).code == 0
    (run,) = (path.parent for path in (tmp_path / "o").glob("*/*/spec.yaml"))
    said = call("eval", run, "--corrupt", "brightness", "--corrupt", "brightness=5", "--resamples", "100")
    lines = said.out.splitlines()
    start = lines.index("val/loss of corrupted images")
    assert all(len(line) <= 80 for line in lines[start:])
    found = document(call("eval", run, "--json", "--corrupt", "brightness", "--resamples", "100"))["corrupted"]
    assert list(found["clean"]) == ["loss", "accuracy"]
    for name, at in (("loss", start), ("accuracy", lines.index("val/accuracy of corrupted images"))):
        rows = [line.split() for line in lines[at + 4 : at + 8]]
        assert rows[0] == ["none", "-", "-", f"{found['clean'][name]:.4f}", "-", "-"]
        for row, line in zip(found["rows"], rows[1:], strict=True):
            cell = row["metrics"][name]
            assert line[:2] == ["brightness", str(row["severity"])]
            assert line[3:5] == [f"{cell['value']:.4f}", f"{cell['drop']:.4f}"]
    # Of a loss more is worse.
    cell = found["rows"][-1]["metrics"]["loss"]
    assert cell["drop"] == pytest.approx(cell["value"] - found["clean"]["loss"]) and cell["drop"] != 0


def test_m18_without_resamples_or_where_nothing_changes_there_is_no_interval(call, finished, monkeypatch):
    found = document(call("eval", finished, "--json", "--corrupt", "noise=5", "--resamples", "0"))["corrupted"]
    assert found["rows"][0]["metrics"]["accuracy"]["interval"] is None
    assert "intervals, paired" not in call("eval", finished, "--corrupt", "noise=5", "--resamples", "0").out
    monkeypatch.setattr(_corrupted, "corrupt", lambda image, *more: image)
    same = document(call("eval", finished, "--json", "--corrupt", "noise=5"))["corrupted"]
    cell = same["rows"][0]["metrics"]["accuracy"]
    assert (cell["value"], cell["drop"], cell["interval"]) == (same["clean"]["accuracy"], 0, None)


def test_m18_train_can_be_measured_and_test_stays_sealed(call, finished):
    found = document(call("eval", finished, "--json", "--split", "train", "--corrupt", "jpeg=1"))
    assert found["images"] == found["corrupted"]["units"] == 1437
    said = call("eval", finished, "--split", "test", "--corrupt", "jpeg=1")
    assert (said.code, said.out) == (2, "") and "the test part is sealed" in said.err
    assert call("test", finished, "--unseal", "--corrupt", "jpeg=1").code == 2
    assert not (finished / "predictions/test.npz").exists()


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("nois", "--corrupt nois: expected one of blur, noise, jpeg, brightness, contrast; did you mean 'noise'?"),
        ("noise=6", "--corrupt noise=6: expected a severity from 1 to 5; noise alone means 1, 3 and 5"),
        ("blur=", "--corrupt blur=: expected a severity from 1 to 5; blur alone means 1, 3 and 5"),
        ("=3", "--corrupt =3: expected one of blur, noise, jpeg, brightness, contrast"),
    ],
)
def test_m18_errors_are_one_line(call, finished, word, line):
    said = call("eval", finished, "--corrupt", word)
    assert (said.code, said.out, said.err) == (2, "", f"cvrun eval: {line}\n")


@pytest.fixture
def copied(tmp_path):
    """48 patients of one kind each, whose four images are one and the same: they say no more than 48 images would."""
    generator = np.random.default_rng(0)
    for patient in range(48):
        kind = "ill" if patient % 2 else "well"
        (tmp_path / "copied" / kind).mkdir(parents=True, exist_ok=True)
        pixels = generator.normal(140 if patient % 2 else 110, 40, (8, 8)).clip(0, 255).astype(np.uint8)
        for number in range(4):
            Image.fromarray(pixels).save(tmp_path / "copied" / kind / f"p{patient:02}_{number}.png")
    return tmp_path / "copied"


def test_m18_over_groups_the_interval_is_that_of_so_many_images(call, copied, tmp_path, monkeypatch):
    words = ["data=folder", f"data.root={copied}", "data.size=8", "data.group_pattern='(p\\d+)_'", "split.val=0.5"]
    words += ["split.grouped=true", "model.width=4", "trainer.epochs=5", "trainer.batch_size=8", "workers=0"]
    # Images are decoded as they are needed.
    assert call("train", *words, "cache=off", f"output_root={tmp_path / 'o'}").code == 0
    (run,) = (path.parent for path in (tmp_path / "o").glob("*/*/spec.yaml"))
    kept = {}
    real = _corrupted._predicted
    monkeypatch.setattr(
        _corrupted, "_predicted", lambda run, there, each: kept.setdefault(each, real(run, there, each))
    )
    found = document(call("eval", run, "--json", "--corrupt", "brightness=5", "--resamples", "4000"))["corrupted"]
    groups = found["units"]
    clean = np.load(run / "predictions/val.npz")
    assert found["unit"] == "group" and len(clean["targets"]) == 4 * groups
    assert f"paired over {groups} groups: BCa" in call("eval", run, "--corrupt", "brightness=5").out
    right = clean["probabilities"].argmax(1) == clean["targets"]
    still = kept["brightness", 5].probabilities.argmax(1) == clean["targets"]
    each = right.astype(float) - still
    low, high = found["rows"][0]["metrics"]["accuracy"]["interval"]
    # Student's interval of the mean of so many; over all images it would be half as wide.
    half = t.ppf(0.975, groups - 1) * each.std() / math.sqrt(groups - 1)
    assert (high - low) / 2 == pytest.approx(half, rel=0.25)


def test_m18_of_labels_the_share_of_images_with_all_of_them_right_is_shown(call, tmp_path):
    generator = np.random.default_rng(0)
    root = tmp_path / "data"
    (root / "images").mkdir(parents=True)
    lines = ["path,label"]
    for i in range(80):
        own = [name for name in ("red", "green", "blue") if generator.random() < 0.4]
        pixels = generator.integers(0, 60, (8, 8, 3))
        for name in own:
            pixels[..., ("red", "green", "blue").index(name)] += 60
        Image.fromarray(pixels.astype(np.uint8)).save(root / f"images/{i:02}.png")
        lines.append(f"images/{i:02}.png,{';'.join(own)}")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    words = ["data=csv", f"data.root={root}", "data.label_separator=';'", "data.size=8", "task=multilabel"]
    words += ["loss=binary_cross_entropy", "monitor.metric=val/macro_f1", "trainer.batch_size=8", "model.width=4"]
    assert call("train", *words, "trainer.epochs=2", "workers=0", f"output_root={tmp_path / 'o'}").code == 0
    (run,) = (path.parent for path in (tmp_path / "o").glob("*/*/spec.yaml"))
    both = document(call("eval", run, "--json", "--corrupt", "noise=1", "--resamples", "100"))
    clean = both["corrupted"]["clean"]
    assert clean == {name: both["metrics"][name] for name in ("macro_f1", "subset_accuracy")}
    assert set(both["corrupted"]["rows"][0]["metrics"]) == set(clean)


def test_m18_an_interval_that_would_take_minutes_is_left_out_and_named(call, finished, monkeypatch):
    sizes = []
    monkeypatch.setattr(_corrupted, "too_slow", lambda name, *size: sizes.append((name, *size)) or True)
    said = call("eval", finished, "--corrupt", "jpeg", "--resamples", "100").out
    # Three corruptions, and of each the clean images beside the others.
    assert sizes == [("accuracy", 180, 10, 600)]
    assert "of accuracy none, it would take minutes; fewer --resamples give them\n" in said
    assert [line.split()[-1] for line in said.splitlines() if line.startswith("jpeg  ")] == ["-", "-", "-"]

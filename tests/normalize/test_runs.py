"""Normalizations in whole runs: from the training part alone, on from a stop to the bit, and the same at eval."""

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from cvrun import build, config
from cvrun.folder import RunFolder
from cvrun.normalize import Source, from_state, zscore
from cvrun.normalize._histogram import histogram, mean_and_std
from cvrun.prepare import prepare
from cvrun.trainer import checkpoint, loop
from cvrun.trainer.cost import Cost
from cvrun.trainer.digest import digest

QUICK = ("model.width=4", "trainer.epochs=2", "trainer.batch_size=300", "workers=0", "data=digits")

CHOICES = (
    "normalize=zscore",
    "normalize=zscore normalize.scope=global",
    "normalize=zscore normalize.scope=image",
    "normalize=mean_only",
    "normalize=vgg_mean normalize.mean=[100]",
    "normalize=minmax",
    "normalize=minmax normalize.low=1% normalize.high=99% normalize.clip=false normalize.scope=global",
    "normalize=signed_unit",
    "normalize=unit",
    "normalize=imagenet",
    "normalize=per_image",
    "normalize=per_image normalize.scope=channel",
    "normalize=log1p",
    "normalize=exp_sat",
    "normalize=tanh",
    "normalize=atan",
)


QUICKLY = ("normalize=zscore", "normalize=minmax", "normalize=per_image", "normalize=exp_sat")
"""One of each kind; the others take part in .ci/run."""

EACH = [
    pytest.param(choice, id=choice.replace("normalize", "n"), marks=[] if choice in QUICKLY else pytest.mark.slow)
    for choice in CHOICES
]


def only(folder):
    return next(folder.glob("outputs/run/*"))


@pytest.mark.parametrize("choice", EACH)
def test_each_can_be_checked_trained_evaluated_and_used_to_predict(choice, call, tmp_path):
    words = choice.split()
    assert (
        f"normalize {words[0].partition('=')[2].replace('vgg_mean', 'mean_only')}" in call("check", *QUICK, *words).out
    )
    assert call("train", *QUICK, *words, "augment=basic").code == 0
    run = only(tmp_path)
    (said,) = [line for line in (run / "log.txt").read_text().splitlines() if "normalize: " in line]
    saved = json.loads(call("eval", run, "--json").out)
    # What validation said while it trained, at the step of the best weights.
    records = [json.loads(line) for line in (run / "records.jsonl").read_text().splitlines()]
    (then,) = [r for r in records if r["step"] == saved["step"] and "val/loss" in r]
    assert saved["metrics"]["loss"] == then["val/loss"] and saved["metrics"]["accuracy"] == then["val/accuracy"]
    state = checkpoint.commits(RunFolder(run).checkpoints, "step")[0]
    normalize = from_state(checkpoint.read(state)["meta"]["normalization"], 1, "x")
    assert said.endswith(normalize.described())
    probabilities = np.load(run / "predictions" / "val.npz")["probabilities"]
    np.testing.assert_allclose(predictions_of_validation(call, run, tmp_path), probabilities, atol=1e-6)


def predictions_of_validation(call, run, folder):
    """What `predict` says of the validation images, written as files."""
    spec = config.load(RunFolder(run).spec, [])
    prepared = prepare(spec)
    names = []
    for number, row in enumerate(prepared.split.val.tolist()):
        names.append(folder / f"{number:04d}.png")
        Image.fromarray(prepared.manifest.images[row][..., 0]).save(names[-1])
    assert call("predict", run, *names, "--output", folder / "found.csv").code == 0
    with (folder / "found.csv").open() as file:
        return [[float(row[str(digit)]) for digit in range(10)] for row in csv.DictReader(file)]


@pytest.mark.parametrize("choice", ["normalize=exp_sat", "normalize=per_image", "normalize=minmax"])
def test_a_run_that_was_stopped_ends_with_the_same_bits(choice, call, tmp_path, monkeypatch):
    words = [*QUICK, choice, "augment=basic"]
    assert call("train", *words, f"output_root={tmp_path / 'whole'}").code == 0
    whole = next((tmp_path / "whole").glob("run/*"))
    real = loop.update

    def stop(run, state, batch):
        if state.step == 3:
            object.__setattr__(run, "stop", SimpleNamespace(requested=True, name="SIGINT", exit_code=130))
        return real(run, state, batch)

    monkeypatch.setattr(loop, "update", stop)
    call("train", *words)
    monkeypatch.setattr(loop, "update", real)
    cut = only(tmp_path)
    assert RunFolder(cut).read_status()["state"] != "finished"
    assert call("resume", cut).code == 0
    digests = [digest(checkpoint.newest(run / "checkpoints", "step", pytest.fail)[1]["state"]) for run in (whole, cut)]
    assert digests[0] == digests[1]


@pytest.mark.parametrize("choice", ["normalize=atan", "normalize=per_image"])
@pytest.mark.parametrize("further", [("tta=hflip",), ("trainer.precision=bf16",)], ids=lambda words: words[0])
def test_views_and_bf16_go_with_it(choice, further, call, tmp_path):
    assert call("train", *QUICK, choice, *further).code == 0
    run = only(tmp_path)
    assert call("eval", run).code == 0
    if further == ("tta=hflip",):
        saved = json.loads(call("eval", run, "--json").out)
        assert saved["tta"]["loss"] != saved["metrics"]["loss"]


# --- From the training part alone.


def built(root, tmp_path, *words):
    """The run on a folder of images, its split, and the stored statistics."""
    spec = config.compose(
        ["data=folder", f"data.root={root}", "data.size=10", "split.test=0.2", *QUICK[:2], "workers=0", "device=cpu"]
        + ["trainer.batch_size=8", "logger=[]", f"output_root={tmp_path / 'outputs'}", *words]
    )
    prepared = prepare(spec)
    prepared.plan.folder.path.mkdir(parents=True, exist_ok=True)
    recorder = build.build_loggers(prepared.plan)
    try:
        stop = SimpleNamespace(requested=False)
        return build.build_run(prepared, recorder, None, stop, Cost())[0], prepared
    finally:
        recorder.close()


@pytest.fixture
def square_folder(image_folder):
    """Images of the size that they are used in, so that nothing is resized."""
    for path in image_folder.glob("*/*.png"):
        Image.open(path).crop((0, 0, 10, 10)).save(path)
    return image_folder


def statistics(cache):
    return {path.name: path.read_bytes() for path in sorted((cache / "normalize").iterdir())}


def brighten(prepared, rows, by=50):
    for row in rows:
        path = prepared.manifest.paths[row]
        pixels = np.asarray(Image.open(path)).astype(int) + by
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)


@pytest.mark.parametrize("choice", ["zscore", "minmax", "mean_only"])
@pytest.mark.parametrize("part", ["val", "test"])
def test_b6_a8_brighter_validation_or_test_images_leave_the_statistics_as_they_are(
    choice, part, image_folder, tmp_path
):
    words = (f"normalize={choice}",)
    run, prepared = built(image_folder, tmp_path, *words)
    before = run.checkpoint_meta["normalization"], statistics(tmp_path / "cache")
    assert len(before[1]) == 1 and len(prepared.split.parts()[part]) > 5
    brighten(prepared, prepared.split.parts()[part])
    again, _ = built(image_folder, tmp_path, *words)
    assert (again.checkpoint_meta["normalization"], statistics(tmp_path / "cache")) == before
    # Nor are they the same because they were only read: the file goes, and comes again with the same bytes.
    for name in before[1]:
        (tmp_path / "cache" / "normalize" / name).unlink()
    afresh, _ = built(image_folder, tmp_path, *words)
    assert (afresh.checkpoint_meta["normalization"], statistics(tmp_path / "cache")) == before


@pytest.mark.parametrize("choice", ["zscore", "minmax", "mean_only"])
def test_b6_a_brighter_training_image_changes_the_statistics(choice, image_folder, tmp_path):
    run, prepared = built(image_folder, tmp_path, f"normalize={choice}")
    before, stored = run.checkpoint_meta["normalization"], statistics(tmp_path / "cache")
    brighten(prepared, prepared.split.train, by=30)
    after = built(image_folder, tmp_path, f"normalize={choice}")[0].checkpoint_meta["normalization"]
    assert after != before and after["split"] == before["split"]
    # The old file stays for whoever has the old pixels.
    found = statistics(tmp_path / "cache")
    assert len(found) == 2 and stored.items() <= found.items()


@pytest.mark.parametrize("cache", ["ram", "off"])
def test_e7_validation_is_shifted_and_scaled_by_mean_and_deviation_of_training(cache, square_folder, tmp_path):
    prepared = built(square_folder, tmp_path)[1]
    brighten(prepared, prepared.split.val, by=40)
    run, prepared = built(square_folder, tmp_path, f"cache={cache}")
    train, val = (read(prepared, part) for part in ("train", "val"))
    # The ranges do not overlap, so that statistics of validation would be seen.
    assert (val.mean() - train.mean()) > 0.1
    expected = (val - train.mean((0, 1, 2))) / train.std((0, 1, 2))
    found = torch.cat([batch.image for batch in run.val_batches()]).permute(0, 2, 3, 1)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(found.double().mean((0, 1, 2)).numpy()).max() > 0.3


def read(prepared, part):
    paths = [prepared.manifest.paths[row] for row in prepared.split.parts()[part]]
    return np.stack([np.asarray(Image.open(path)) for path in paths]) / 255


@pytest.mark.slow
def test_b6_sections_of_a_stack_differ_so_that_a_leak_would_be_seen(membrane):
    """The checklist's .4908/.1708 and .5106/.1788 are of sections 0-23 and 24-29 of 30; here there are the first 22."""
    stack = np.stack([np.asarray(Image.open(path)) for path in sorted((membrane / "images").glob("*.png"))])[..., None]
    assert stack.shape == (22, 512, 512, 1) and stack.dtype == np.uint8
    whole, first = stack, stack[:16]

    def fit(images):
        pixels = torch.from_numpy(images)
        return zscore.build(zscore.Config("channel"), Source(1, lambda: [pixels], lambda: str(len(images)), None))

    for images in (whole, first):
        found = fit(images)
        assert found.mean == pytest.approx(((images / 255).mean(),), rel=1e-12)
        assert found.std == pytest.approx(((images / 255).std(),), rel=1e-12)
    # Those that are held out shift the mean by more than the last digit that the checklist gives.
    assert abs(fit(whole).mean[0] - fit(first).mean[0]) > 1e-4
    counts = histogram([torch.from_numpy(first), torch.from_numpy(stack[16:])], 1)
    assert mean_and_std(counts) == (fit(whole).mean, fit(whole).std)

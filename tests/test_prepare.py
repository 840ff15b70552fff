import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cvrun import config
from cvrun.cli import main
from cvrun.errors import ConfigError, DataError
from cvrun.prepare import address, prepare, resolve_device


def plan_of(*words):
    return prepare(config.compose(["model.width=4", *words])).plan


def training(*words):
    return plan_of(*words).training


def refusal(*words, error=ConfigError) -> str:
    with pytest.raises(error) as caught:
        plan_of(*words)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# digits has 1797 images; holdout with val=0.1 and test=0.1 leaves 1437 for training.


@pytest.mark.parametrize(
    ("batch_size", "epochs", "per_epoch", "total"),
    [(128, 30, 11, 330), (1437, 2, 1, 2), (1436, 2, 1, 2), (719, 3, 1, 3), (718, 3, 2, 6), (1, 1, 1437, 1437)],
)
def test_steps_are_whole_batches(batch_size, epochs, per_epoch, total):
    found = training(f"trainer.batch_size={batch_size}", f"trainer.epochs={epochs}")
    assert (found.steps_per_epoch, found.total_steps) == (per_epoch, total)


def test_batch_above_the_data_is_an_error_with_the_arithmetic():
    said = refusal("trainer.batch_size=1438")
    assert said.startswith("trainer.batch_size=1438: expected at most the 1437 training images")


def test_accumulation_does_not_change_the_steps():
    assert training("trainer.accumulate=4").total_steps == training().total_steps == 330


@pytest.mark.parametrize(
    ("key", "text", "steps"),
    [
        ("eval_every", "2ep", 22),
        ("eval_every", "10%", 33),
        ("save_every", "7st", 7),
        ("log_every", "0.5ep", 6),  # 5.5
    ],
)
def test_durations_become_steps(key, text, steps):
    assert getattr(training(f"trainer.{key}={text}"), key) == steps


@pytest.mark.parametrize(("text", "steps"), [("0st", 0), ("5ep", 55), ("10%", 33), ("329st", 329)])
def test_warmup(text, steps):
    assert training(f"scheduler.warmup={text}").warmup_steps == steps


@pytest.mark.parametrize("text", ["330st", "30ep", "100%", "31ep"])
def test_warmup_of_the_whole_run_is_an_error(text):
    said = refusal(f"scheduler.warmup={text}")
    assert said.startswith(f"scheduler.warmup={text}: is ") and "of 330 steps, expected fewer" in said


@pytest.mark.parametrize(
    ("words", "lr"),
    [
        ([], 0.1),
        (["optimizer.lr_scale=linear"], 0.1 * 128 / 256),
        (["optimizer.lr_scale=linear", "trainer.accumulate=4"], 0.1 * 128 / 256),
        (["optimizer.lr_scale=sqrt", "trainer.batch_size=64"], 0.1 * 0.5),
        (["optimizer.lr_scale=linear", "optimizer.base_batch=32"], 0.4),
    ],
)
def test_learning_rate_follows_the_batch_only_when_asked(words, lr):
    assert training(*words).lr == pytest.approx(lr, rel=1e-12)


@pytest.mark.parametrize(
    ("metric", "mode"),
    [("val/accuracy", "max"), ("val/loss", "min"), ("val/macro_f1", "max"), ("val/ece", "min"), ("val/mcc", "max")],
)
def test_mode_is_what_the_metric_declares(metric, mode):
    assert training(f"monitor.metric={metric}").mode == mode


def test_mode_can_be_set_and_the_contradiction_is_said():
    plan = plan_of("monitor.metric=val/loss", "monitor.mode=max")
    assert plan.training.mode == "max"
    assert plan.warnings == ("monitor.mode=max, but val/loss is better when it is minimal",)
    assert plan_of("monitor.metric=val/loss", "monitor.mode=min").warnings == ()


def test_unknown_metric_lists_the_known_ones():
    said = refusal("monitor.metric=val/acuracy")
    assert "expected one of val/accuracy, val/balanced_accuracy, val/brier, val/ece" in said
    assert said.endswith("did you mean 'val/accuracy'?")


def test_averaged_metric_needs_the_average():
    assert "needs trainer.ema_decay > 0" in refusal("monitor.metric=val/ema/accuracy")
    assert training("monitor.metric=val/ema/loss", "trainer.ema_decay=0.9").mode == "min"


@pytest.mark.parametrize(
    ("stopping", "plateau", "warned"), [(5, 5, True), (4, 5, True), (6, 5, False), (1, 1, True), (2, 1, False)]
)
def test_stopping_that_leaves_a_cut_no_time(stopping, plateau, warned):
    """Checklist E14: on a flat score both with patience 5 end at the same evaluation, the cut cannot help."""
    found = plan_of(
        "early_stopping=patience",
        f"early_stopping.patience={stopping}",
        "scheduler=plateau",
        f"scheduler.patience={plateau}",
    ).warnings
    assert len(found) == int(warned)
    assert (
        not warned or f"early_stopping.patience={stopping}" in found[0] and f"scheduler.patience={plateau}" in found[0]
    )


def test_stopping_without_a_plateau_is_not_warned_about():
    assert plan_of("early_stopping=patience", "early_stopping.patience=1").warnings == ()


@pytest.mark.parametrize(
    ("sampler", "weights", "warned"),
    [
        ("weighted", "balanced", True),
        ("weighted", "[1,1,1,1,1,1,1,1,1,2]", True),
        ("weighted", "none", False),
        ("natural", "balanced", False),
    ],
)
def test_imbalance_corrected_twice(sampler, weights, warned):
    found = plan_of(f"sampler={sampler}", f"loss.class_weights={weights}").warnings
    assert found == (("sampler=weighted and loss.class_weights correct the imbalance twice",) if warned else ())


def test_wrong_number_of_class_weights_is_found_before_training():
    assert "loss.class_weights" in refusal("loss.class_weights=[1,2]")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["scheduler=plateau", "scheduler.min_lr=0.2"], "scheduler.min_lr=0.2"),
        (["scheduler=multistep", "scheduler.milestones=[1ep]", "scheduler.warmup=5ep"], "scheduler.milestones"),
        (["model.blocks=[]"], "model.blocks=[]"),
        (["data.size=2"], "data.size=2"),
    ],
)
def test_what_only_data_and_steps_can_tell(words, part):
    assert part in refusal(*words)


def test_model_that_cannot_take_the_images_is_one_line():
    said = refusal("data.size=3")
    assert "data.size=3" in said


@pytest.mark.parametrize(
    ("logits", "said"),
    [((2, 7), "gives (2, 7) for 2 images, expected (2, 10)"), (None, "cannot take images of 1x8x8 (wrong shape)")],
)
def test_model_that_does_not_fit(logits, said, monkeypatch):
    from cvrun.model import convnet

    class Model(torch.nn.Module):
        def forward(self, image):
            if logits is None:
                raise RuntimeError("wrong\nshape")
            return torch.empty(logits)

    monkeypatch.setattr(convnet, "build", lambda config, shape, pretrained: Model())
    assert said in refusal()


def test_planning_allocates_no_weights():
    # 10 stages from width 512 on: hundreds of gigabytes if they were real.
    assert plan_of("model.width=4096", "model.blocks=[1,1,1,1]").num_parameters > 10**9


def test_parameters_are_counted():
    from cvrun.model import Shape, convnet

    spec = config.compose(["model.width=4"])
    model = convnet.build(spec.parts["model"].config, Shape(1, 8, 10), False)
    assert plan_of().num_parameters == sum(p.numel() for p in model.parameters())


def test_more_than_one_process_is_refused(monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["check"]) == 2
    assert capsys.readouterr().err == "cvrun check: WORLD_SIZE=2: expected one process; start it without torchrun\n"
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert plan_of().training.total_steps == 330


def test_devices(monkeypatch):
    assert resolve_device("cpu") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert resolve_device("auto") == "cpu"
    with pytest.raises(ConfigError, match="^device=cuda: 0 CUDA devices are available; device=cpu works everywhere$"):
        resolve_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [resolve_device(name) for name in ("auto", "cuda", "cuda:1")] == ["cuda", "cuda", "cuda:1"]
    with pytest.raises(ConfigError, match="device=cuda:2"):
        resolve_device("cuda:2")


def test_precision(monkeypatch):
    assert training("device=cpu").precision == "fp32"
    spec = config.compose(["model.width=4", "device=cpu"])
    assert prepare(spec, precision="bf16").plan.training.precision == "bf16"


def test_address_is_the_same_everywhere():
    spec = config.compose(["output_root=/results", "name=mine"])
    assert address(spec).path == Path("/results/mine") / spec.id
    assert prepare(spec).plan.folder.path == address(spec).path


def fingerprints(*words) -> tuple[str, str]:
    facts = plan_of(*words).data
    return facts.data_fingerprint, facts.split_fingerprint


@pytest.fixture
def table(image_folder):
    """Writes manifest.csv with some labels changed, and gives the words that choose it."""

    def write(**changed):
        with (image_folder / "manifest.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["path", "label", "split"])
            for number, path in enumerate(sorted(image_folder.rglob("*.png"))):
                name = path.relative_to(image_folder).as_posix()
                part = ("train", "train", "train", "val", "test")[number % 5]
                rows.writerow([name, changed.get(path.stem + path.parent.name, path.parent.name), part])
        return [
            "data=csv",
            f"data.root={image_folder}",
            "data.split_column=split",
            "split=official",
            "trainer.batch_size=8",
            "model.blocks=[1]",
        ]

    return write


def test_fingerprint_follows_one_label(table):
    before = fingerprints(*table())
    assert fingerprints(*table()) == before
    after = fingerprints(*table(**{"00cat": "dog"}))  # a training image
    assert after[0] != before[0] and after[1] == before[1]
    tested = fingerprints(*table(**{"04cat": "dog"}))  # a test image: not what the model learns from
    assert tested == before


def test_fingerprint_follows_one_file(table, image_folder):
    words = table()
    before = fingerprints(*words)
    noise = np.random.default_rng(1).integers(0, 255, (40, 40, 3), np.uint8)
    Image.fromarray(noise).save(image_folder / "cat" / "00.png")
    assert fingerprints(*words)[0] != before[0]


def test_fingerprint_follows_the_split():
    before = fingerprints()
    after = fingerprints("split.seed=1")
    assert after[0] != before[0] and after[1] != before[1]
    assert fingerprints("seed=1") == before


@pytest.mark.parametrize(
    ("count", "batch_size", "steps"), [(48, 48, 1), (47, 48, None), (49, 48, 1), (96, 48, 2), (1, 48, None)]
)
def test_sizes_around_a_batch(count, batch_size, steps, tmp_path):
    """n images a train folder and a batch of 48: whole batches only, and none at all is an error."""
    pixels = Image.fromarray(np.zeros((4, 4, 3), np.uint8))
    for part, num in (("train", count), ("val", 2)):
        for i in range(num):
            path = tmp_path / "data" / part / ("a" if i % 2 == 0 else "b") / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels.save(path)
    words = [
        "data=folder",
        f"data.root={tmp_path}/data",
        "split=official",
        f"trainer.batch_size={batch_size}",
        "data.size=8",
    ]
    if steps is not None:
        assert training(*words).steps_per_epoch == steps
    elif count == 1:
        assert "no training image of class 'b'" in refusal(*words, error=DataError)
    else:
        assert f"at most the {count} training images" in refusal(*words)


def test_what_is_left_out_is_in_no_number(image_folder):
    """60 images; holdout with val=0.1 and test=0.1 leaves 48 for training."""
    words = ["data=folder", f"data.root={image_folder}", "data.size=8", "trainer.batch_size=8"]
    spec = config.compose(["model.width=4", *words, "skip_unreadable=0.05"])
    whole = prepare(spec)
    assert whole.left_out.reasons == {} and whole.plan.warnings == ()
    assert len(whole.train) == 48 and whole.plan.training.steps_per_epoch == 6
    lost = whole.manifest.ids[whole.split.train[20]]
    (image_folder / lost).write_bytes(b"")
    found = prepare(spec)
    assert list(found.left_out.reasons) == [lost]
    assert found.plan.warnings == (found.left_out.warning(),)
    assert sum(found.plan.data.counts["train"]) == len(found.train) == len(found.split.train) == 47
    assert found.plan.training.steps_per_epoch == 5
    assert found.train.index.tolist() == found.split.train.tolist()
    assert found.plan.data.data_fingerprint != whole.plan.data.data_fingerprint
    assert found.split.val.tolist() == whole.split.val.tolist()


def test_nothing_is_decoded_unless_something_may_be_left_out(image_folder):
    (image_folder / "cat/00.png").write_bytes(b"")
    words = ["data=folder", f"data.root={image_folder}", "data.size=8", "trainer.batch_size=8", "model.width=4"]
    found = prepare(config.compose(words))
    assert found.left_out is None and found.train is None
    assert sum(found.plan.data.counts["train"]) == 48


def test_neither_runs_nor_the_cache_lie_in_the_folder_of_synthetic_images(image_folder, tmp_path, monkeypatch):
    made = tmp_path / "made"
    shutil.copytree(image_folder, made)
    words = ["data=folder", f"data.root={image_folder}", f"data.extra={made}", "data.size=8", "trainer.batch_size=8"]
    assert f"lies below data.extra={made}, expected a folder" in refusal(*words, f"output_root={made}/runs")
    monkeypatch.setenv("CVRUN_CACHE", str(made / "cache"))
    assert refusal(*words).startswith(f"CVRUN_CACHE={made}/cache: lies below data.extra={made}")
    assert sorted(path.name for path in made.iterdir()) == ["cat", "dog", "owl"]


def test_groups_in_two_parts_that_are_accepted_are_a_warning_of_the_plan(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    rows = []
    for i in range(24):
        Image.fromarray(np.full((4, 4, 3), 9 * i, np.uint8)).save(folder / f"{i}.png")
        rows.append(f"{i}.png,{'ab'[i % 2]},{('train', 'train', 'val')[i // 2 % 3]},p{i // 8}")
    (folder / "manifest.csv").write_text("\n".join(["path,label,part,patient", *rows]) + "\n")
    words = ["data=csv", f"data.root={folder}", "data.split_column=part", "split=official", "data.size=8"]
    words += ["data.group_by=patient", "trainer.batch_size=8"]
    assert "split: group 'p0' is in train and in val" in refusal(*words, error=DataError)
    warned = plan_of(*words, "data.accept_leakage=true").warnings
    assert [line for line in warned if line.startswith("data.accept_leakage=true: 3 groups lie in more than one part")]


@pytest.mark.parametrize(
    ("output", "refused"), [("runs", True), (".", True), ("cat/../../images/x", True), ("..", False)]
)
def test_runs_do_not_lie_in_the_data(output, refused, image_folder):
    (image_folder.parent / "link").symlink_to(image_folder)
    words = ["data=folder", f"data.root={image_folder.parent}/link", "data.size=8", "trainer.batch_size=8"]
    words.append(f"output_root={image_folder}/{output}")
    if refused:
        assert "lies below data.root=" in refusal(*words)
    else:
        plan_of(*words)

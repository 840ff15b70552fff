"""The benchmarks run; what they measure is for `make bench` on a quiet machine."""

import importlib.util
import re
from pathlib import Path

import pytest
from torch import nn

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def benchmark(name: str):
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_cost_of_the_loop_is_measured(capsys):
    benchmark("overhead").main(["--quick"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "tiny: 3 steps of 64 images a segment, 1 rounds"
    for kind, line, more in (("clock", *lines[2:4]), ("processor", *lines[4:6])):
        assert re.match(rf"  by the {kind}: tuned \d+ \(\d+ to \d+\), cvrun \d+ \(\d+ to \d+\) us a step", line)
        assert re.match(r"    cvrun costs -?\d+ .* us more, \d\.\d{3} .* of the images/s; tuned again", more)


@pytest.mark.slow
def test_the_start_is_measured(capsys):
    benchmark("startup").main(["--quick"])
    said = capsys.readouterr().out
    assert re.search(r"cvrun to the first step +\d+\.\d\d", said)
    assert re.search(r"ratio +\d\.\d\d .* by the clock, +\d\.\d\d .* of the processor", said)
    assert re.search(r"cvrun --help +0\.\d\d", said)


@pytest.mark.slow
def test_a_sweep_is_measured(capsys):
    benchmark("sweep").main(["--quick"])
    assert re.search(
        r"2 runs of digits, 1 rounds.*\n.*sweep +\d.*\n.*shell +\d.*\n.*ratio +\d", capsys.readouterr().out
    )


def test_the_cost_of_a_checkpoint_is_measured(monkeypatch, capsys):
    checkpoint = benchmark("checkpoint")
    for name, value in (("STEPS", 2), ("ROUNDS", 1), ("BATCH", 2)):
        monkeypatch.setattr(checkpoint, name, value)
    monkeypatch.setattr(checkpoint, "network", lambda: nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 10)))
    checkpoint.main()
    lines = capsys.readouterr().out.splitlines()
    # Weights and momentum of 12,288 x 10 + 10 numbers of 4 bytes.
    assert lines[0].startswith("a state of 1 MB, 2 steps, 1 rounds")
    assert [re.match("beside|waiting|none again", line)[0] for line in lines[1:]] == ["beside", "waiting", "none again"]
    assert all(
        re.search(r"takes -?\d+ \(-?\d+ to -?\d+\) ms longer: -?[\d.]+% at one a minute", line) for line in lines[1:]
    )


def test_the_rates_of_augmentations_are_measured(capsys):
    benchmark("augment").main(["--quick"])
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if " px, batch " in line] == [
        "32 px, batch 4, 1 rounds, 1 thread",
        "224 px, batch 4, 1 rounds, 1 thread",
    ]
    rows = [line for line in lines if re.search(r"  [\d,]+ +[\d,]+ +\d+\.\d  \(\d+\.\d to \d+\.\d\)$", line)]
    alone = [line for line in lines if re.match(r"(lighting|cutout) +[\d,]+$", line)]
    assert (len(rows), len(alone)) == (2 * 17, 2 * 2)


def test_the_cost_of_the_store_is_measured(capsys):
    benchmark("store").main(["--quick"])
    lines = capsys.readouterr().out.splitlines()
    heads = [line for line in lines if not line.startswith("  ")]
    assert heads == [
        "60 files, kept as 32x32x3 crop, 1 rounds",
        "8 files, kept as 224x224x3 crop, 1 rounds",
        "8 files, kept as own shape x3, shorter side up to 256, 1 rounds",
    ]
    rows = [line for line in lines if re.search(r"\[(images|GB)/s\] +[\d,.]+  \([\d,.]+ to [\d,.]+\)$", line)]
    # Two ways with three numbers of workers, opening, hashes; and twice two ways to take batches.
    assert len(rows) == len(lines) - len(heads) == 3 * 8 + 2 * 2


@pytest.mark.slow
def test_the_gain_of_a_second_device_is_measured(capsys):
    benchmark("ddp").main(["--quick"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("batch 128 at 32 pixels, 1 epochs, 1 rounds")
    for world, line in zip((1, 2), lines[1:], strict=False):
        found = re.fullmatch(
            rf"{world} cpu +([\d,]+) images/s  \(.+\)  x [\d.]+, largest difference of a loss (\S+)", line
        )
        assert found is not None and int(found[1].replace(",", "")) > 0
        # Only the order of sums differs.
        assert float(found[2]) < 1e-3
    assert len(lines) > 3 or lines[3].startswith("cuda: not measured")


def test_each_technique_of_a_step_is_measured(monkeypatch, capsys):
    step = benchmark("step")
    monkeypatch.setattr(step.sys, "argv", ["step", "--quick"])
    monkeypatch.setitem(step.WORKLOADS, "test_resnet", (32, 2))
    # Its processes are another matter: each imports torch and timm.
    monkeypatch.setattr(step, "alone", lambda name, variant, kept, rounds: (2.0 - kept, 100.0 * (1 - kept)))
    step.main()
    lines = capsys.readouterr().out.splitlines()
    number = r"\d+\.\d\d \(\d+\.\d\d to \d+\.\d\d\)"
    cells = " | ".join(["test_resnet 32 px, batch 2", r"\d+\.\d", *[number] * 6, r"(fp32|bf16): \d+\.\d\d"])
    row = "| CELLS |".replace("|", r"\|").replace("CELLS", cells.replace(" | ", r" \| "))
    assert sum(bool(re.fullmatch(row, line)) for line in lines) == 1
    assert lines[-1] == "| test_resnet | bf16 | 2.00 (2.00 to 2.00) | 100 | 0 |"


def test_freed_memory_is_measured_in_a_process(monkeypatch, capsys):
    step = benchmark("step")
    monkeypatch.setitem(step.WORKLOADS, "test_resnet", (32, 2))
    step.child("test_resnet", "bf16", "0", "1")
    seconds, faults = map(float, capsys.readouterr().out.split())
    assert seconds > 0 and faults >= 0


def test_the_cost_of_views_is_measured(monkeypatch, capsys):
    views = benchmark("views")
    monkeypatch.setattr(views, "WORKLOADS", {"small": ("test_resnet", 32, 2)})
    monkeypatch.setattr(views, "keep_freed", lambda keep: None)
    views.main(["--quick"])
    ratio = r" +\d+\.\d\d \(\d+\.\d\d to \d+\.\d\d\)"
    assert re.search(rf"n = 1 rounds\n.*in batches +one by one\nsmall{ratio}{ratio}\n", capsys.readouterr().out)

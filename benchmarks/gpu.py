"""What a GPU waits for: cvrun's trainer from a JPEG folder against the same model on a batch that is already there.

For each model the two take turns: WARM steps that do not count, then `--steps` timed ones, with one synchronization at
each end. Then a run that the input bounds: images in cvrun's store against files decoded as needed. And how often a
step makes the processor wait for the device. Without a GPU it says so and measures nothing; `--smoke` runs everything
on a CPU in small.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import json
import os
import statistics
import sys
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import cross_entropy

sys.path.insert(0, str(Path(__file__).resolve().parent / "peers"))

from tuned_loop import built

WARM, ROUNDS = 20, 3
MODELS = {"resnet50": 256, "resnet18": 512, "vit_small_patch16_224": 256}
"""timm's model -> batch size [images]."""

GOAL = 0.97
"""Of the rate on synthetic data, for resnet50."""

LOOKED_AT = 10
"""[steps] Searched for waits; none of them is a log point."""


def main(arguments: list[str] | None = None) -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--smoke", action="store_true", help="everything in small, on a CPU; measures nothing")
    words.add_argument("--models", default=",".join(MODELS), help="of timm, with commas")
    words.add_argument("--images", type=int, default=4096, help="JPEG files of 320x256 pixels that are made")
    words.add_argument("--steps", type=int, default=40, help="timed, of each segment")
    words.add_argument("--out", type=Path, help="a JSON file for every round")
    asked = words.parse_args(arguments)
    if not torch.cuda.is_available() and not asked.smoke:
        print("no GPU is here: nothing of gpu.py was measured (--smoke runs it on a CPU, to see that it works)")
        return
    names = ["test_resnet"] if asked.smoke else asked.models.split(",")
    sizes = {name: 8 if asked.smoke else MODELS.get(name, 256) for name in names}
    images, steps, warm = (48, 2, 1) if asked.smoke else (asked.images, asked.steps, WARM)
    device = "cpu" if asked.smoke else "cuda"
    found: dict = {"torch": torch.__version__, "models": {}, "input": {}}
    with tempfile.TemporaryDirectory() as root:
        os.environ["CVRUN_CACHE"] = f"{root}/cache"
        began = time.perf_counter()
        folder = _jpegs(Path(root, "images"), images)
        made = f"{images} JPEG files made in {time.perf_counter() - began:.1f} s"
        found["device"] = torch.cuda.get_device_name() if device == "cuda" else "CPU"
        print(f"{found['device']}, torch {torch.__version__}, {os.cpu_count()} cores; {made}", flush=True)
        for name, batch in sizes.items():
            bench = Bench(folder, Path(root), name, batch, device, steps, warm, compiled=not asked.smoke)
            found["models"][name] = bench.against_synthetic(1 if asked.smoke else ROUNDS)
        name = "test_resnet" if asked.smoke else "resnet18"
        for cache in ("ram", "off"):
            bench = Bench(folder, Path(root), name, min(sizes.values()), device, steps, warm, False, cache)
            found["input"][cache] = bench.alone()
    kept, fresh = (found["input"][cache]["rate"] for cache in ("ram", "off"))
    print(f"{name} from the store {kept:,.0f} images/s, decoding as needed {fresh:,.0f}: {kept / fresh:.2f}x")
    if asked.out:
        asked.out.write_text(json.dumps(found, indent=1))


class Bench:
    """One model: a run of cvrun, built as `cvrun train` builds it, and what is timed of it."""

    def __init__(
        self,
        folder: Path,
        root: Path,
        model: str,
        batch: int,
        device: str,
        steps: int,
        warm: int,
        compiled: bool,
        cache: str = "ram",
    ) -> None:
        self.model, self.batch, self.device, self.steps, self.warm = model, batch, device, steps, warm
        size = 32 if device == "cpu" else 224
        words = [
            "name=gpu",
            "logger=jsonl",
            f"output_root={root}/{model}-{cache}",
            "data=folder",
            f"data.root={folder}",
            f"data.size={size}",
            "split=official",
            "normalize=imagenet",
            "augment=imagenet",
            "model=timm",
            f"model.name={model}",
            "optimizer=sgd_nesterov",
            "optimizer.lr=0.001",
            "trainer.precision=bf16",
            f"trainer.batch_size={batch}",
            "trainer.epochs=10000",
            "trainer.eval_every=5000ep",
            "trainer.save_every=5000ep",
            f"trainer.log_every={50 * (steps + warm)}st",
            f"device={device}",
            f"compile={str(compiled).lower()}",
            f"cache={cache}",
            f"workers={max(os.cpu_count() - 2, 1)}",
        ]
        began = time.perf_counter()
        self.run, self.state, self.recorder = built(words)
        self.build_seconds = time.perf_counter() - began
        self.state.model.train()

    def against_synthetic(self, rounds: int) -> dict:
        """Give the rates of both in each round, and the waits of a step."""
        began = time.perf_counter()
        if self.device != "cpu":
            torch.cuda.reset_peak_memory_stats()
        found = [{"synthetic": self._synthetic(), "cvrun": self._trainer()} for _ in range(rounds + 1)][1:]
        waits = self._waits()
        peak = torch.cuda.max_memory_allocated() / 2**30 if self.device != "cpu" else 0.0
        self.recorder.close()
        ratios = [one["cvrun"] / one["synthetic"] for one in found]
        ratio, rate = statistics.median(ratios), statistics.median(one["cvrun"] for one in found)
        goal = f", goal {GOAL}: {'met' if ratio >= GOAL else 'not met'}" if self.model == "resnet50" else ""
        print(
            f"{self.model}, batch {self.batch}: {rate:,.0f} images/s, {1e3 * self.batch / rate:.1f} ms a step; "
            f"{ratio:.3f} of synthetic ({min(ratios):.3f} to {max(ratios):.3f}){goal}; "
            f"{sum(waits.values()) / LOOKED_AT:.1f} waits a step; peak {peak:.1f} GiB; "
            f"{self.build_seconds:.0f} s to build, {time.perf_counter() - began:.0f} s in all",
            flush=True,
        )
        for place, count in waits.most_common(4):
            print(f"    waits {count / LOOKED_AT:.1f} times a step at {place}")
        return {"rounds": found, "waits": dict(waits), "batch": self.batch, "peak_gib": peak}

    def alone(self) -> dict:
        """Give the rate of cvrun's trainer: the better of two segments, as the first may still fill a cache."""
        rates = [self._trainer() for _ in range(2)]
        self.recorder.close()
        return {"rate": max(rates), "rates": rates, "build_seconds": self.build_seconds}

    def _synthetic(self) -> float:
        """Give images a second of a bare loop over one batch that lies on the device."""
        batch = next(iter(self.run.train_batches(0)))
        model, optimizer = self.state.model, self.state.optimizer
        for step in range(self.warm + self.steps):
            if step == self.warm:
                began = self._now()
            with self.run.autocast():
                loss = cross_entropy(model(batch.image), batch.target)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return self.steps * self.batch / (self._now() - began)

    def _trainer(self) -> float:
        """Give images a second of cvrun's trainer, its input from the folder."""
        from cvrun.trainer.loop import train

        stop = Between(self.state, self.warm, self.steps, self._now)
        train(dataclasses.replace(self.run, stop=stop), self.state)
        return self.steps * self.batch / (stop.ended - stop.began)

    def _waits(self) -> collections.Counter:
        """Give place -> how often the processor waits for the device there, in LOOKED_AT steps of the trainer."""
        from cvrun.trainer.loop import train

        places: collections.Counter = collections.Counter()
        if self.device == "cpu":
            return places

        def mode(name: str) -> float:
            torch.cuda.set_sync_debug_mode(name)
            return 0.0

        ticks = iter(("warn", "default"))
        stop = Between(self.state, 3, LOOKED_AT, lambda: mode(next(ticks)))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            train(dataclasses.replace(self.run, stop=stop), self.state)
        for warning in caught:
            if "called a synchronizing" in str(warning.message):
                places[f"{'/'.join(Path(warning.filename).parts[-3:])}:{warning.lineno}"] += 1
        return places

    def _now(self) -> float:
        if self.device != "cpu":
            torch.cuda.synchronize()
        return time.perf_counter()


class Between:
    """Asks for a stop after some warm and some timed steps; reads the clock at both ends of the timed ones."""

    def __init__(self, state, warm: int, steps: int, now) -> None:
        self.state, self.first, self.last, self.now = state, state.step + warm, state.step + warm + steps, now
        self.began = self.ended = None

    @property
    def requested(self) -> bool:
        if self.began is None and self.state.step >= self.first:
            self.began = self.now()
        if self.ended is None and self.state.step >= self.last:
            self.ended = self.now()
        return self.ended is not None


def _jpegs(folder: Path, count: int) -> Path:
    """Give folder with count images in train and 64 in val, of ten classes; made by all cores."""
    plan = [(folder / "train", i) for i in range(count)] + [(folder / "val", i) for i in range(min(64, count))]
    with ProcessPoolExecutor() as pool:
        list(pool.map(_jpeg, plan, chunksize=32))
    return folder


def _jpeg(place: tuple[Path, int]) -> None:
    """Write an image like a photograph: its structure grows with its scale, as 1/f noise does."""
    part, i = place
    random = np.random.default_rng([i, len(part.name)])
    total = np.zeros((256, 320, 3), np.float32)
    for cells in (2, 4, 8, 16, 32, 64, 128):
        noise = Image.fromarray(random.integers(0, 256, (cells, cells * 5 // 4, 3), np.uint8))
        total += np.asarray(noise.resize((320, 256), Image.Resampling.BICUBIC), np.float32) / cells**0.7
    total -= total.min()
    target = part / f"class{i % 10}" / f"{i:05d}.jpg"
    target.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((total * (255 / total.max())).astype(np.uint8)).save(target, quality=90)


if __name__ == "__main__":
    main()

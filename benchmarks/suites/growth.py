"""What more data costs: the time an image in the second epoch, and the peak memory, from 10,000 to 49,000 images."""

from __future__ import annotations

from dataclasses import replace

from contenders import CONTENDERS
from workloads import SMALL, images

from suites import Options, say
from suites.training import short, train

SIZES = (10_000, 20_000, 49_000)
"""[images] The archive has 50,000, of which 1,000 are for validation."""

WORKLOAD = replace(SMALL, model="bench_tiny", epochs=3, val=1_000, name="cifar, tiny net")


def run(options: Options) -> dict:
    """Give the rounds of each size, sizes in turn, and one run of the plain loop at the largest for its memory."""
    sizes = (1_000, 2_000) if options.quick else SIZES
    names = ("cvrun",) if options.quick else ("cvrun", "plain loop")
    rows = []
    for contender in (c for c in CONTENDERS if c.label in names):
        for size in sizes if contender.label == "cvrun" else sizes[-1:]:
            rows.append({"label": contender.label, "images": size, "rounds": []})
    for number in range(1 if options.quick else min(options.rounds, 3)):
        for row in rows:
            if row["label"] != "cvrun" and number > 0:
                continue
            workload = replace(WORKLOAD, train=row["images"])
            try:
                data = images.folder("cifar", workload.train, workload.val, options.work / "data")
            except FileNotFoundError as error:
                say(f"growth: left out, {error}")
                return {"rows": []}
            contender = next(c for c in CONTENDERS if c.label == row["label"])
            result = train(contender, workload, data, 2, number, options)
            say(f"{row['label']}, {row['images']:,} images, round {number + 1}: {short(result)}")
            row["rounds"].append(result)
    return {"rows": rows}

"""Whether cvrun learns what the plain loop learns: accuracy over seeds."""

from __future__ import annotations

from dataclasses import asdict, replace

from contenders import CONTENDERS
from workloads import SMALL, images

from suites import Options, say
from suites.training import short, train

SEEDS = 5
NAMES = ("cvrun", "cvrun, fp32", "plain loop")
WORKLOAD = replace(SMALL, train=5_000, val=4_000, epochs=5)


def run(options: Options) -> dict:
    """Give the accuracy of each seed."""
    workload = WORKLOAD.smaller() if options.quick else WORKLOAD
    try:
        data = images.folder("cifar", workload.train, workload.val, options.work / "data")
    except FileNotFoundError as error:
        say(f"parity: left out, {error}")
        return {"rows": []}
    rows = [{"label": name, "rounds": []} for name in NAMES[: 1 if options.quick else None]]
    for seed in range(1 if options.quick else max(SEEDS, options.rounds)):
        for row in rows:
            contender = next(c for c in CONTENDERS if c.label == row["label"])
            result = train(contender, workload, data, 1, seed, options)
            say(f"seed {seed}, {row['label']}: {short(result)}")
            row["rounds"].append(result)
    return {"workload": asdict(workload), "rows": rows}

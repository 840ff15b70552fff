import dataclasses
import math

from cvrun.optimism import Picking
from cvrun.report.picking import picked
from cvrun.report.sweep import read_sweep
from tests.report.test_sweep import write


def test_it_says_of_how_many_the_best_is_the_best_and_how_much_too_good(tmp_path):
    for i in range(3):
        write(tmp_path, f"r{i}", 0.9 + i / 100, seed=i // 2, lr=i % 2)
    sweep = read_sweep(tmp_path)
    assert "N = 3 runs (2 settings)" in picked(sweep)[0] and "nobody has looked at the predictions." in picked(sweep)[0]
    known = Picking(models=2, units=1500, score=0.92, expected=0.905, optimism=0.015, resamples=500, undefined=0)
    (line,) = picked(dataclasses.replace(sweep, picking=known))
    assert (
        "over the 1,500 images, with the predictions of 2 of them, finds it too good by 0.0150 (optimism): 0.9050"
        in line
    )
    none = dataclasses.replace(known, expected=0.9201, optimism=-0.0001)
    assert "finds nothing of it here: 0.9201" in picked(dataclasses.replace(sweep, picking=none))[0]
    unknown = dataclasses.replace(known, expected=math.nan, optimism=math.nan)
    assert "nan" not in picked(dataclasses.replace(sweep, picking=unknown, not_picked=""))[0]


def test_one_run_is_the_best_of_nothing(tmp_path):
    write(tmp_path, "a", 0.5, lr=1)
    assert picked(read_sweep(tmp_path)) == []

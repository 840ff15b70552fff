"""The benchmarks run; what they measure is for `make bench` on a quiet machine."""

import importlib.util
import re
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def test_the_cost_of_the_loop_is_measured(monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location("overhead", BENCHMARKS / "overhead.py")
    overhead = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(overhead)
    monkeypatch.setattr(overhead, "STEPS", 3)
    monkeypatch.setattr(overhead, "ROUNDS", 1)
    overhead.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("3 steps of batch 64, 1 rounds")
    assert [re.match("bare again|bare|cvrun|extra", line)[0] for line in lines[1:]] == [
        "bare",
        "bare again",
        "cvrun",
        "extra",
    ]
    assert all(re.search(r"\d+ us a step  \(-?\d+ to -?\d+\)", line) for line in lines[1:])

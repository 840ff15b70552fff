"""cvrun size: how many cases an interval needs."""

import json
import subprocess
import sys

import pytest

NINETY = ("size", "--proportion", "0.9", "--half-width", "0.05")


def test_m5_139_positives_and_the_images_that_hold_them(call):
    said = call(*NINETY, "--prevalence", "0.1")
    assert (said.code, said.err) == (0, "")
    assert "139 independent ones" in said.out
    assert "1,390 to collect" in said.out
    # Wilson by hand at p = 0.9, n = 139: centre (0.9 + 0.013818) / 1.027637, half 0.050543.
    assert "0.839 to 0.940 at 139 independent cases: 0.101 wide, asked for 0.100" in said.out


def test_clusters_multiply_by_the_design_effect(call):
    found = json.loads(call(*NINETY, "--prevalence", "0.1", "--cluster-size", "10", "--icc", "0.5", "--json").out)
    assert found["design_effect"] == 5.5
    assert found["independent"] == 139
    assert found["cases"] == 765  # 764.5
    assert found["images"] == 7650
    same = json.loads(call(*NINETY, "--cluster-size", "10", "--icc", "0", "--json").out)
    assert (same["cases"], same["images"]) == (139, None)
    assert (
        "765 (clusters of 10, icc 0.5: design effect 5.5)" in call(*NINETY, "--cluster-size", "10", "--icc", "0.5").out
    )


def test_a_higher_confidence_needs_more(call):
    found = json.loads(call(*NINETY, "--confidence", "0.99", "--json").out)
    assert found["cases"] == 239  # 2.5758^2 * 0.09 / 0.0025 = 238.9


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("--proportion", "1", "--half-width", "0.05"), "--proportion 1: expected a number between 0 and 1"),
        (("--proportion", "nan", "--half-width", "0.05"), "--proportion nan: expected"),
        (("--proportion", "0.9", "--half-width", "0"), "--half-width 0: expected"),
        ((*NINETY[1:], "--confidence", "95"), "--confidence 95: expected"),
        ((*NINETY[1:], "--prevalence", "0"), "--prevalence 0: expected"),
        ((*NINETY[1:], "--cluster-size", "0.5", "--icc", "0"), "--cluster-size 0.5: expected"),
        ((*NINETY[1:], "--cluster-size", "inf", "--icc", "0"), "--cluster-size inf: expected"),
        ((*NINETY[1:], "--cluster-size", "4", "--icc", "2"), "--icc 2: expected"),
        ((*NINETY[1:], "--cluster-size", "1e308", "--icc", "1"), "--cluster-size 1e+308: expected a number from 1"),
        ((*NINETY[1:], "--prevalence", "1e-320"), "expected a number from 1e-9 to 1"),
        (("--proportion", "1e-310", "--half-width", "0.05"), "--proportion 1e-310: expected"),
        (("--proportion", "0.9", "--half-width", "1e-300"), "--half-width 1e-300: expected"),
        ((*NINETY[1:], "--cluster-size", "4"), "--icc: expected as well"),
        (("--half-width", "0.05"), "--proportion"),
        (("--proportion", "many", "--half-width", "0.05"), "invalid float value"),
    ],
)
def test_a_number_out_of_range_has_exit_code_2(call, words, part):
    said = call("size", *words)
    assert (said.code, said.out) == (2, "")
    assert part in said.err
    assert len(said.err.splitlines()) == 1


def test_it_imports_no_torch():
    program = (
        "import sys; from cvrun.cli import main; "
        "main(['size', '--proportion', '0.9', '--half-width', '0.05']); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")

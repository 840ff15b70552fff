import os
import subprocess
from pathlib import Path

import pytest
import torch

from cvrun import __version__, environment


def test_environment_says_what_bits_depend_on():
    found = environment.environment("cpu", 3, False)
    assert found["torch"] == torch.__version__
    assert found["threads"] == "3"
    assert found["device"].startswith("cpu ") and torch.backends.cpu.get_cpu_capability() in found["device"]
    assert found["deterministic"] == "False"
    assert environment.environment("cpu", 3, True) == {**found, "deterministic": "True"}
    assert all(isinstance(value, str) for value in found.values())


def test_compiled_kernels_are_another_environment():
    plain, compiled = (environment.environment("cpu", 3, False, wanted) for wanted in (False, True))
    assert compiled["device"] == plain["device"] + " compiled"
    assert set(plain) == set(compiled)


@pytest.mark.parametrize(
    ("cores", "at_start", "processes", "threads"),
    [(8, 8, 1, 8), (8, 8, 2, 4), (2, 2, 2, 1), (2, 2, 9, 1), (8, 1, 2, 1), (8, 4, 1, 4), (1, 8, 1, 1)],
)
def test_threads_are_the_cores_of_a_process(monkeypatch, cores, at_start, processes, threads):
    """at_start is what OMP_NUM_THREADS, or torch by itself, allows."""
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(cores)), raising=False)
    monkeypatch.setattr(environment, "DEFAULT_THREADS", at_start)
    assert environment.default_threads(processes) == threads


def test_cores_that_others_keep_do_not_count(monkeypatch):
    """As under taskset."""
    cores = os.sched_getaffinity(0)
    monkeypatch.setattr(environment, "DEFAULT_THREADS", 10**6)
    try:
        os.sched_setaffinity(0, {min(cores)})
        assert environment.default_threads(1) == 1
    finally:
        os.sched_setaffinity(0, cores)
    assert environment.default_threads(1) == len(cores)


def test_the_processor_is_named():
    found = environment.processor()
    assert found.endswith(torch.backends.cpu.get_cpu_capability()) and len(found.split()) > 1


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """A repository with one commit, in which environment.py would lie."""
    package = tmp_path / "checkout" / "cvrun"
    package.mkdir(parents=True)
    (package / "environment.py").write_text("")
    top = package.parent
    settings = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "start"]):
        subprocess.run(["git", "-C", top, *settings, *command], check=True, capture_output=True)
    monkeypatch.setattr(environment, "__file__", str(package / "environment.py"))
    return top


def test_code_version_names_the_commit_and_what_is_not_committed(checkout):
    asked = subprocess.run(["git", "-C", checkout, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    assert environment.code_version() == f"{__version__}+{asked.stdout[:12]}"
    (checkout / "cvrun" / "environment.py").write_text("changed")
    assert environment.code_version() == f"{__version__}+{asked.stdout[:12]}-dirty"


def test_code_version_without_git(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert environment.code_version() == __version__


def test_code_version_of_an_installed_package(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "cvrun" / "environment.py"))
    assert environment.code_version() == __version__


def test_several_devices_are_another_environment():
    found = [environment.environment("cpu", 3, False, devices=number) for number in (1, 2)]
    assert [entry.pop("devices") for entry in found] == ["1", "2"]
    assert found[0] == found[1]

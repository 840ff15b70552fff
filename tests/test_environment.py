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

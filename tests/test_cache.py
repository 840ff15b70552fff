from pathlib import Path

import pytest

from cvrun.cache import cache_folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CVRUN_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    return tmp_path


def test_without_variables_it_is_in_the_home_folder(home: Path) -> None:
    assert cache_folder() == home / ".cache" / "cvrun"


def test_xdg_comes_before_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/tmp/xdg")
    assert cache_folder() == Path("/var/tmp/xdg/cvrun")


def test_own_variable_comes_first(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/tmp/xdg")
    monkeypatch.setenv("CVRUN_CACHE", "~/fast")
    assert cache_folder() == home / "fast"


@pytest.mark.parametrize("value", ["", "relative/folder"])
def test_empty_or_relative_xdg_is_ignored(value: str, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    assert cache_folder() == home / ".cache" / "cvrun"


def test_empty_own_variable_is_ignored(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("CVRUN_CACHE", "")
    assert cache_folder() == home / ".cache" / "cvrun"


def test_relative_own_variable_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CVRUN_CACHE", "here")
    assert cache_folder() == tmp_path / "here"


def test_nothing_is_created(home: Path) -> None:
    cache_folder()
    assert list(home.iterdir()) == []

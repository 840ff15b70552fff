from pathlib import Path

import pytest

from cvrun import config
from cvrun.errors import ConfigError
from cvrun.outside import require_cache_outside, require_outside


@pytest.fixture
def spec(tmp_path):
    for name in ("real", "made", "made/deep", "near"):
        (tmp_path / name).mkdir()
    return config.compose(["data=folder", f"data.root={tmp_path}/real", f"data.extra={tmp_path}/made"])


@pytest.mark.parametrize(
    ("place", "key"), [("real/x", "root"), ("made", "extra"), ("made/deep/new/x", "extra"), ("near/../made/x", "extra")]
)
def test_what_lies_in_a_folder_of_the_data_is_refused(spec, tmp_path, place, key):
    with pytest.raises(ConfigError) as error:
        require_outside(spec, tmp_path / place, "--out x:", "file", "elsewhere")
    folder = getattr(spec.parts["data"].config, key)
    assert (
        str(error.value) == f"--out x: lies below data.{key}={folder}, expected a file outside of the data; elsewhere"
    )


@pytest.mark.parametrize("place", ["near/x", "reality/x", "x"])
def test_what_lies_beside_it_is_not(spec, tmp_path, place):
    require_outside(spec, tmp_path / place, "--out x:")


def test_a_link_leads_into_the_data(spec, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "made")
    with pytest.raises(ConfigError, match=r"data\.extra"):
        require_outside(spec, tmp_path / "link" / "x", "--out x:")


def test_a_relative_folder_and_one_of_the_home_count(spec, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for root in ("real", "~/real"):
        with pytest.raises(ConfigError, match=r"data\.root"):
            require_outside(config.compose(["data=folder", f"data.root={root}"]), Path("real/x"), "--out x:")


def test_a_source_without_folders_refuses_nothing(tmp_path):
    require_outside(config.compose(["data=digits"]), tmp_path, "--out x:")
    require_outside(config.compose(["data=folder", "data.root=null"]), tmp_path, "--out x:")


def test_the_cache_lies_outside_as_well(spec, tmp_path, monkeypatch):
    require_cache_outside(spec)
    monkeypatch.setenv("CVRUN_CACHE", str(tmp_path / "made" / "cache"))
    with pytest.raises(ConfigError, match=r"CVRUN_CACHE=.*/made/cache: lies below data\.extra=.*; set CVRUN_CACHE"):
        require_cache_outside(spec)

import pytest

from cvrun.command._run_folder import existing
from cvrun.errors import ConfigError


def test_a_run_is_found_by_its_folder(tmp_path):
    (tmp_path / "3fa9c1d2").mkdir()
    (tmp_path / "3fa9c1d2" / "spec.yaml").touch()
    assert existing(tmp_path / "3fa9c1d2").path == tmp_path / "3fa9c1d2"


def test_a_wrong_name_gets_the_nearest(tmp_path):
    (tmp_path / "3fa9c1d2").mkdir()
    with pytest.raises(ConfigError, match="3fa9c1d3: no such run; did you mean '3fa9c1d2'"):
        existing(tmp_path / "3fa9c1d3")


def test_a_folder_without_a_run_is_said_to_be_one(tmp_path):
    with pytest.raises(ConfigError, match="not a run, it has no spec.yaml"):
        existing(tmp_path)

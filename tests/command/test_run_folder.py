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


@pytest.mark.parametrize("name", ["log.txt", "checkpoints", "predictions/val.npz"])
def test_a_link_inside_is_refused(tmp_path, name):
    run = tmp_path / "run"
    (run / "predictions").mkdir(parents=True)
    (run / "spec.yaml").touch()
    assert existing(run).path == run
    (run / name).symlink_to(tmp_path)
    with pytest.raises(ConfigError, match=f"{name}: a link inside a run"):
        existing(run)
    # The run itself may be reached through one.
    (run / name).unlink()
    (tmp_path / "link").symlink_to(run)
    assert existing(tmp_path / "link").path == tmp_path / "link"

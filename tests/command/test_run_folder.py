import os

import pytest

from cvrun.command._run_folder import existing, require_own_files
from cvrun.errors import ConfigError
from cvrun.folder import RunFolder


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


@pytest.mark.parametrize("name", ["spec.yaml", "predictions/deep/odd"])
def test_a_pipe_inside_is_refused(tmp_path, name):
    (tmp_path / "predictions" / "deep").mkdir(parents=True)
    (tmp_path / "spec.yaml").touch()
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    with pytest.raises(ConfigError, match=f"{name}: a named pipe inside a run"):
        existing(tmp_path)


def test_a_run_that_is_not_there_yet_has_nothing_of_others(tmp_path):
    require_own_files(RunFolder(tmp_path / "run"))
    (tmp_path / "run").touch()
    with pytest.raises(ConfigError, match="run: cannot be listed .Not a directory"):
        require_own_files(RunFolder(tmp_path / "run"))


def test_folders_deeper_than_recursion_goes_are_seen_to(tmp_path):
    (tmp_path / "spec.yaml").touch()
    deep = [tmp_path / "/".join("d" * depth) for depth in range(1, 1201)]
    for folder in deep:
        folder.mkdir()
    try:
        assert existing(tmp_path).path == tmp_path
    finally:
        # What clears tmp_path away recurses.
        for folder in reversed(deep):
            folder.rmdir()

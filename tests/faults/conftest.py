import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import kit


@pytest.fixture(scope="session")
def images(tmp_path_factory) -> Path:
    """40 generated images in four classes; nobody may change them."""
    return kit.make_images(tmp_path_factory.mktemp("kit") / "images")


@pytest.fixture(scope="session")
def words(images) -> tuple[str, ...]:
    """`train` with what makes a run of nine steps over the images."""
    return ("train", *kit.QUICK, f"data.root={images}")


@pytest.fixture(scope="session")
def whole(words, tmp_path_factory) -> Path:
    """The folder of that run, never interrupted; nobody may change it."""
    cwd = tmp_path_factory.mktemp("whole")
    said = kit.run(words, cwd)
    assert said.code == 0, said.err
    return kit.run_folder(cwd)


@pytest.fixture(scope="session")
def killed(words, tmp_path_factory) -> Path:
    """A run that was killed when its second commit was there: it has those of steps 3 and 6."""
    cwd = tmp_path_factory.mktemp("killed")
    assert kit.run(words, cwd, "checkpoint.before_prune@2=kill").code == 137
    return kit.run_folder(cwd)


@pytest.fixture
def run(killed, tmp_path) -> Path:
    """A copy of it in tmp_path, where `words` finds it."""
    return shutil.copytree(killed, tmp_path / "outputs" / "f" / killed.name)


@pytest.fixture(autouse=True)
def cleared():
    from cvrun import fault

    yield
    fault.arm("")

"""Every packaged experiment composes, plans, and says how it is started."""

import csv
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from cvrun.cli import main
from cvrun.options import config_root

FOLDER = config_root() / "exp"
EXPERIMENTS = sorted(path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.yaml"))


def text_of(name: str) -> str:
    return (FOLDER / f"{name}.yaml").read_text()


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """600 images of three classes in folders, with a manifest that has every column the experiments name."""
    folder = tmp_path_factory.mktemp("images")
    pixels = np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "one.png")
    content = (folder / "one.png").read_bytes()
    (folder / "one.png").unlink()
    with (folder / "manifest.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label", "slide", "split"])
        for number in range(600):
            label = ("a", "b", "c")[number % 3]
            (folder / label).mkdir(exist_ok=True)
            (folder / label / f"{number}.png").write_bytes(content)
            rows.writerow([f"{label}/{number}.png", label, f"slide {number // 10}", "train"])
    return folder


def data_words(name: str, root: Path, capsys) -> list[str]:
    """What a user adds to the command: the folder, where the experiment names none."""
    assert main(["check", f"+exp={name}", "--cfg", "job"]) == 0
    data = yaml.safe_load(capsys.readouterr().out)["data"]
    return [f"data.root={root}"] if data.get("root", "") is None and data["option"] != "torchvision" else []


def test_experiments_are_found():
    assert "digits" in EXPERIMENTS


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiment_passes_check(name, root, capsys):
    words = data_words(name, root, capsys)
    code = main(["check", f"+exp={name}", *words])
    said = capsys.readouterr()
    if "data.download=true" in said.err:
        pytest.skip(f"{name} needs a download")
    assert (code, said.err) == (0, "")
    assert said.out.startswith("run ") and "warning" not in said.out


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiment_begins_with_its_command(name):
    lines = text_of(name).splitlines()
    assert lines[0] == "# @package _global_"
    comment = []
    for line in lines[1:]:
        if not line.startswith("#"):
            break
        comment.append(line.lstrip("# "))
    assert comment[0][0].isupper() or comment[0][0].isdigit() or "'" in comment[0]
    assert comment[0].endswith((".", ":", ")"))
    assert [line for line in comment if line.startswith(f"cvrun train +exp={name}")]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiment_names_the_folder_when_it_needs_one(name, root, capsys):
    needs_root = bool(data_words(name, root, capsys))
    assert ("data.root=" in text_of(name)) == needs_root


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiment_has_a_name_of_its_own(name):
    assert yaml.safe_load(text_of(name))["name"] == name.replace("/", "_")


def test_real_blood_cells_pass_check(blood_cells, capsys):
    if "blood_cells" not in EXPERIMENTS:
        pytest.skip("there is no such experiment")
    assert main(["check", "+exp=blood_cells", f"data.root={blood_cells}"]) == 0
    said = capsys.readouterr().out
    assert "csv: 3 classes" in said and "groups" in said

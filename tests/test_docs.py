"""Every command in README.md and docs/ runs, and every link inside the repository leads somewhere."""

import importlib
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from cvrun.cli import main
from cvrun.scheduler import Span
from cvrun.typed import to_dataclass

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^[ ]*```{language}\n(.*?)^[ ]*```", page.read_text(), re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    lines = [line for page in PAGES for block in blocks(page, "sh") for line in block.splitlines()]
    return list(dict.fromkeys(line.partition(" #")[0].strip() for line in lines if line.strip()))


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with what the documents speak of: photos, cells, the experiment in mine, a run."""
    folder = tmp_path_factory.mktemp("desk")
    random = np.random.default_rng(0)
    rows = ["path,label,slide"]
    (folder / "cells").mkdir()
    for i in range(240):
        label = ("cat", "dog", "owl")[i % 3]
        pixels = (random.integers(0, 60, (20, 20, 3)) + 80 * (i % 3)).astype(np.uint8)
        (folder / "photos" / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / "photos" / label / f"{i}.png")
        Image.fromarray(pixels).save(folder / "cells" / f"{i}.png")
        rows.append(f"{i}.png,{label},slide{i // 12}")
    (folder / "cells" / "manifest.csv").write_text("\n".join(rows))
    findings = [f"{i}.png,{('', 'round', 'dark', 'round;dark')[i % 4]}" for i in range(240)]
    (folder / "cells" / "findings.csv").write_text("\n".join(["path,label", *findings]))
    for page in PAGES:
        for block in blocks(page, "yaml"):
            if (name := re.match(r"# (mine/\S+)\n", block)) is not None:
                (folder / name[1]).parent.mkdir(parents=True, exist_ok=True)
                (folder / name[1]).write_text(block.partition("\n")[2])
    return folder


def test_there_are_commands_to_run():
    assert len([line for line in commands() if line.startswith("cvrun ")]) > 15


@pytest.mark.slow
def test_every_cvrun_command_runs(desk, monkeypatch, capsys):
    monkeypatch.chdir(desk)
    for line in commands():
        words = shlex.split(line)
        if words[0] != "cvrun":
            assert words[0] == "make", line
            continue
        if "RUN" in words:
            run = min(path.parent for path in desk.glob("outputs/digits/*/spec.yaml"))
            words[words.index("RUN")] = str(run)
        if "FOLDS" in words:
            at = words.index("FOLDS")
            words[at : at + 1] = [str(path.parent) for path in sorted(desk.glob("outputs/folds/*/spec.yaml"))]
        if "RUNS" in words:
            at = words.index("RUNS")
            words[at : at + 1] = [str(path.parent) for path in sorted(desk.glob("outputs/digits/*/status.json"))[:3]]
        code = main(words[1:])
        assert code == 0, (line, capsys.readouterr().err)
        capsys.readouterr()
    assert (desk / "predictions.csv").read_text().startswith("path,label,score,0,1,2,3,4,5,6,7,8,9\n")


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_every_make_target_exists():
    targets = {line.split()[1] for line in commands() if line.startswith("make ")}
    assert {"run", "test"} <= targets
    for target in sorted(targets):
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_the_example_of_an_option_works(tmp_path, monkeypatch):
    page = ROOT / "CONTRIBUTING.md"
    code = "\n".join(line.removeprefix("   ") for line in blocks(page, "python")[0].splitlines())
    (tmp_path / "linear_of_the_page.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("linear_of_the_page")
    node = yaml.safe_load("\n".join(line.removeprefix("   ") for line in blocks(page, "yaml")[0].splitlines()))
    assert node.pop("option") == "linear"
    config = to_dataclass(module.Config, node, "scheduler")
    schedule = module.build(config, Span(steps=11, warmup=0, steps_per_epoch=1, lr=2.0))
    assert [schedule.lr(step) for step in (0, 5, 10)] == pytest.approx([2.0, 1.0, 0.0])


def test_the_table_of_faults_names_a_test_for_each_row_and_each_test():
    rows = re.findall(r"^\| (\d+) \|.*`(test_\S+\.py)` \|$", (ROOT / "docs" / "faults.md").read_text(), re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 36))
    there = {path.name for path in (ROOT / "tests" / "faults").glob("test_[0-9]*.py")}
    assert {name for _, name in rows} == there
    assert all(int(name.split("_")[1]) == int(number) for number, name in rows)


def test_every_link_leads_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"

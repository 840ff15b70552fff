"""What the trees of modules, YAML files and tests owe each other."""

import ast
import dataclasses
import importlib
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PACKAGE, CONFIGS, TESTS = ROOT / "cvrun", ROOT / "configs", ROOT / "tests"

WITHOUT_YAML = {"audit", "metric", "pipeline", "trainer", "command", "report"}
"""Folders of cvrun whose modules are not options that a config can choose."""

MAX_LINES = 250
LONGER = {"cvrun/config.py": 330}
"""Splitting it would let a second module know Hydra."""
MAX_FUNCTION_LINES = 60

PYTHON = sorted(PACKAGE.rglob("*.py"))
YAML = sorted(CONFIGS.rglob("*.yaml"))
GROUPS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
OPTION_GROUPS = [group for group in GROUPS if group not in WITHOUT_YAML]
OPTIONS = [path for path in YAML if path.parent.name in OPTION_GROUPS]


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def option_modules(group: str) -> set[str]:
    return {path.stem for path in (PACKAGE / group).glob("*.py") if not path.stem.startswith("_")}


def test_trees_are_found():
    assert {"data", "model", "optimizer", "scheduler", "task"} <= set(OPTION_GROUPS)
    assert len(PYTHON) > 60 and len(OPTIONS) > 30


def test_every_folder_of_configs_is_a_group_or_the_experiments():
    folders = {path.name for path in CONFIGS.iterdir() if path.is_dir()}
    assert folders == {*OPTION_GROUPS, "exp"}


@pytest.mark.parametrize("path", OPTIONS, ids=short)
def test_yaml_names_a_module_of_its_group(path):
    assert yaml.safe_load(path.read_text())["option"] in option_modules(path.parent.name)


@pytest.mark.parametrize("group", OPTION_GROUPS)
def test_every_option_has_a_yaml_of_its_name(group):
    assert option_modules(group) - {path.stem for path in (CONFIGS / group).glob("*.yaml")} == set()


@pytest.mark.parametrize("path", OPTIONS, ids=short)
def test_yaml_holds_the_fields_of_config_and_no_others(path):
    content = yaml.safe_load(path.read_text())
    module = importlib.import_module(f"cvrun.{path.parent.name}.{content['option']}")
    fields = [field.name for field in dataclasses.fields(module.Config)]
    assert sorted(content) == sorted(["option", *fields])


@pytest.mark.parametrize(
    "name", [f"{group}.{option}" for group in OPTION_GROUPS for option in sorted(option_modules(group))]
)
def test_config_is_frozen_and_has_no_defaults(name):
    config = importlib.import_module(f"cvrun.{name}").Config
    assert config.__dataclass_params__.frozen
    given = [
        field.name
        for field in dataclasses.fields(config)
        if field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
    ]
    assert given == []


@pytest.mark.parametrize("path", YAML, ids=short)
def test_every_key_of_a_yaml_has_a_comment(path):
    lines = path.read_text().splitlines()
    if path.parent.name == "exp" or path.parent.parent.name == "exp":
        assert any(line.startswith("# ") and not line.startswith("# @") for line in lines)
        return
    silent = [line for line in lines if value_line(line) and "#" not in line]
    assert silent == []


def value_line(line: str) -> bool:
    """Whether a line gives a value to a key that needs words: not the option, the defaults list, or Hydra's own."""
    found = re.match(r"( *)([a-z_]+): *\S", line)
    return found is not None and found[2] not in ("option", "dir", "subdir", "output_subdir", "app_name")


@pytest.mark.parametrize(
    ("line", "wanted"), [("lr: 0.1", True), ("  epochs: 3", True), ("option: sgd", False), ("trainer:", False)]
)
def test_lines_with_values_are_told_from_others(line, wanted):
    assert value_line(line) == wanted


def mirrored_test(path: Path) -> Path:
    """Where the test of a module lies."""
    inside = path.relative_to(PACKAGE)
    return TESTS / inside.parent / f"test_{inside.stem.lstrip('_')}.py"


@pytest.mark.parametrize("path", [path for path in PYTHON if not path.stem.startswith("__")], ids=short)
def test_every_module_has_a_test_in_the_mirrored_place(path):
    assert mirrored_test(path).is_file(), f"{short(mirrored_test(path))} is missing"


@pytest.mark.parametrize("group", [*OPTION_GROUPS, "metric"])
def test_every_group_has_a_test_of_its_contract(group):
    assert (TESTS / group / "test_contract.py").is_file()


def test_test_folders_are_no_packages():
    assert [short(path) for path in TESTS.rglob("__init__.py")] == []


@pytest.mark.parametrize("path", PYTHON, ids=short)
def test_module_says_what_it_is_in_one_sentence(path):
    words = ast.get_docstring(ast.parse(path.read_text()))
    assert words is not None
    first = words.splitlines()[0]
    assert first.endswith(".") and not first.lower().startswith("this module")


@pytest.mark.parametrize("path", PYTHON, ids=short)
def test_module_and_functions_are_short(path):
    text = path.read_text()
    assert len(text.splitlines()) <= LONGER.get(short(path), MAX_LINES)
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]
    long = {f.name: f.end_lineno - f.lineno + 1 for f in functions if f.end_lineno - f.lineno >= MAX_FUNCTION_LINES}
    assert long == {}


@pytest.mark.parametrize("path", PYTHON, ids=short)
def test_module_is_ascii_and_leaves_nothing_for_later(path):
    text = path.read_text()
    assert text.isascii()
    assert re.findall(r"\b(TODO|FIXME|XXX|HACK)\b", text) == []


def test_constraints_name_no_package_index():
    path = ROOT / "constraints.txt"
    if not path.is_file():
        pytest.skip("there is no constraints.txt")
    assert re.findall(r"https?://|--(?:extra-)?index-url|--find-links|\bfile:", path.read_text()) == []

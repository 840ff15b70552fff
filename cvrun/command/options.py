"""List what train can be given: groups, their choices, and the keys of each choice."""

from __future__ import annotations

import ast
from pathlib import Path

from cvrun import options
from cvrun.command._arguments import parser_of
from cvrun.command._output import show
from cvrun.errors import ConfigError, did_you_mean
from cvrun.sections import TOP


def run(arguments: list[str]) -> int:
    """Print every choice of a group, or of all; give the exit code."""
    parser = parser_of("options", __doc__)
    parser.add_argument("group", nargs="?", help="only this group")
    given = parser.parse_args(arguments)
    groups = ["exp", *options.GROUPS, "trainer", "monitor", "run"]
    if given.group is not None and given.group not in groups:
        hint = did_you_mean(given.group, groups)
        raise ConfigError(f"{given.group}: unknown group, expected one of {', '.join(groups)}", hint)
    for group in groups if given.group is None else [given.group]:
        show(group_text(group))
    return 0


def group_text(group: str) -> str:
    """Give the choices of a group with one line each, followed by their keys."""
    text = (options.config_root() / "train.yaml").read_text()
    if group in ("trainer", "monitor"):
        return f"{group}: keys of their own\n" + "".join(f"{line}\n" for line in section(group)) + "\n"
    if group == "run":
        wanted = [line for line in text.splitlines() if line.partition(":")[0] in TOP]
        return "run: keys without a group\n" + "".join(f"  {line}\n" for line in wanted) + "\n"
    prefix = "+" if group == "exp" else ""
    text = ""
    for choice, path in options.choices(group).items():
        text += f"{prefix}{group}={choice}\n    {describe(group, path)}\n"
        text += "".join(f"      {line}\n" for line in keys(group, path))
    if group == "data":
        text += "data of every source\n" + "".join(f"      data.{line.strip()}\n" for line in section(group))
    return f"{text}\n"


def section(name: str) -> list[str]:
    """Give the lines of the keys below a name of train.yaml, with their comments."""
    text = (options.config_root() / "train.yaml").read_text()
    lines = text.split(f"\n{name}:")[1].split("\n\n")[0].splitlines()
    return lines[1:]


def describe(group: str, path: Path) -> str:
    """Give one line about a choice: the comment at the top of its YAML, else the docstring of its module."""
    first = [line for line in path.read_text().splitlines() if not line.startswith("# @package")][0]
    if first.startswith("# "):
        return first[2:]
    tree = ast.parse((options.PACKAGE / group / f"{path.stem}.py").read_text())
    return (ast.get_docstring(tree) or "").partition("\n")[0]


def keys(group: str, path: Path) -> list[str]:
    """Give the lines of a YAML that hold keys, with their comments; none for an experiment."""
    if group == "exp":
        return []
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith(("#", "option:"))]
    return [f"{group}.{line}" if not line.startswith(" ") else line for line in lines]

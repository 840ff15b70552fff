"""cvrun options: what train can be given, read from the folders."""

import re

import pytest
import yaml

from cvrun import options
from cvrun.config import compose

PACKAGED = [(group, name) for group in ("exp", *options.GROUPS) for name in options.choices(group)]


@pytest.mark.parametrize(("group", "name"), PACKAGED)
def test_every_choice_has_a_line_about_it_and_its_keys(call, group, name):
    said = call("options", group)
    assert said.code == 0
    plus = "+" if group == "exp" else ""
    block = said.out.partition(f"{plus}{group}={name}\n")[2]
    about = block.splitlines()[0].strip()
    assert len(about) > 10
    if group == "exp":
        return
    keys = yaml.safe_load(options.choices(group)[name].read_text())
    rest = re.split(rf"\n{group}=", block)[0]
    for key in keys:
        assert (f"{group}.{key}:" in rest) == (key != "option")


def test_all_groups_come_without_a_name(call):
    out = call("options").out
    for group, name in PACKAGED:
        assert f"{group}={name}\n" in out
    assert "trainer: keys of their own" in out
    assert "  batch_size: 128" in out
    assert "  min_delta: 0.0" in out


def test_what_is_shown_can_be_typed():
    for group, name in PACKAGED:
        if group in ("optimizer", "scheduler", "tta", "early_stopping", "sampler"):
            assert compose([f"{group}={name}"]).parts[group].option


def test_an_unknown_group_is_named(call):
    said = call("options", "optimiser")
    assert said.code == 2
    assert "did you mean 'optimizer'?" in said.err


def test_the_keys_of_every_source_stand_below_the_sources(call):
    text = call("options", "data").out
    assert "data.subset: 1.0" in text and text.index("data=torchvision") < text.index("data of every source")

import json

import pytest
import yaml

from cvrun.folder import RunFolder
from cvrun.report.settings import flat, settings_of

SPEC = {"name": "a", "seed": 3, "workers": 4, "trainer": {"epochs": 3}, "tta": {"option": "none"}, "logger": {"x": {}}}


@pytest.fixture
def run(tmp_path):
    folder = RunFolder(tmp_path)
    folder.spec.write_text(yaml.safe_dump(SPEC))
    return folder


def test_what_cannot_change_a_result_is_left_out(run):
    assert settings_of(run) == {"name": "a", "seed": 3, "trainer": {"epochs": 3}, "tta": {"option": "none"}}


def test_what_was_changed_after_the_start_counts_as_it_is_now(run):
    lines = [
        {"time": "t", "step": 4, "changes": {"trainer.epochs": [3, 6]}},
        {"time": "t", "step": 8, "changes": {"trainer.epochs": [6, 9], "tta": [{}, {"option": "flip"}]}},
    ]
    run.changes.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"not finished')
    assert settings_of(run)["trainer"] == {"epochs": 9}
    assert settings_of(run)["tta"] == {"option": "flip"}


@pytest.mark.parametrize("content", [b"", b"a: [", b"- 1", b"\xff"])
def test_a_damaged_configuration_has_no_settings(run, content):
    run.spec.write_bytes(content)
    assert settings_of(run) == {}


@pytest.mark.parametrize("content", [b"{\n", b"[]\n", b'{"changes": {"a": 1}}\n', b"\xff\n"])
def test_damaged_changes_are_none(run, content):
    run.changes.write_bytes(content)
    assert settings_of(run)["trainer"] == {"epochs": 3}


def test_nested_keys_have_their_full_names():
    assert dict(flat({"a": {"b": 1, "c": {"d": 2}}, "e": 3})) == {"a.b": 1, "a.c.d": 2, "e": 3}

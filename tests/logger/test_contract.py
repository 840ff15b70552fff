"""What holds for every logger: found by listing the folder."""

import pytest
import yaml

from cvrun import config, options

CHOICES = options.choices("logger")
RECORDS = (
    {"step": 2, "epoch": 0.5, "time": "2026-01-01T00:00:00.000Z", "train/loss": 2.5, "train/lr": 0.1},
    {"step": 4, "epoch": 1.0, "time": "2026-01-01T00:00:01.000Z", "train/loss": 2.0, "val/accuracy": float("nan")},
    {"step": 4, "epoch": 1.0, "time": "2026-01-01T00:00:02.000Z", "best/step": 4, "best/val/accuracy": 0.5},
)


def build(name, folder):
    node = yaml.safe_load(CHOICES[name].read_text())
    module = options.load("logger", node.pop("option"))
    return module.build(module.Config(**node), folder)


def test_every_module_has_a_choice():
    assert {yaml.safe_load(path.read_text())["option"] for path in CHOICES.values()} == set(
        options.module_names("logger")
    )


@pytest.mark.parametrize("name", CHOICES)
def test_it_can_be_chosen_beside_the_truth(name):
    assert set(config.compose([f"logger=[{name},jsonl]"]).loggers) == {name, "jsonl"}


@pytest.mark.parametrize("name", CHOICES)
def test_it_takes_what_happens_in_a_run(name, tmp_path, header, capsys):
    logger = build(name, tmp_path)
    logger.open(header())
    for step in range(1, 5):
        logger.advance(step)
    for record in RECORDS:
        logger.write(record)
    logger.say("a line with [brackets], ünïcode and \x1b[31m")
    logger.close()
    again = build(name, tmp_path)
    again.open(header(4))
    again.close()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", CHOICES)
def test_it_can_be_closed_without_being_opened(name, tmp_path):
    build(name, tmp_path).close()


@pytest.mark.parametrize("name", CHOICES)
def test_it_is_no_part_of_the_id(name):
    assert config.compose([f"logger={name}"]).id == config.compose([]).id

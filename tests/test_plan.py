import dataclasses

import numpy as np
import pytest
import yaml

from cvrun import config
from cvrun.folder import RunFolder
from cvrun.plan import DataFacts
from cvrun.prepare import prepare


@pytest.fixture(scope="module")
def plan():
    words = [
        "+exp=digits",
        "trainer.batch_size=300",
        "trainer.epochs=5",
        "trainer.accumulate=2",
        "scheduler.warmup=3st",
    ]
    return prepare(config.compose(words)).plan


def test_text_holds_every_number_as_plain_values(plan):
    found = yaml.safe_load(plan.to_yaml())
    assert found["run_id"] == plan.spec.id and found["name"] == "digits"
    assert found["overrides"] == list(plan.spec.changes)
    training = dataclasses.asdict(plan.training)
    assert training.pop("max_grad_norm") == float("inf")
    assert found["training"].pop("max_grad_norm") is None
    assert found["training"] == training
    assert found["data"]["classes"] == [str(digit) for digit in range(10)]
    assert {part: sum(counts) for part, counts in found["data"]["counts"].items()} == {
        "train": 1258,
        "val": 359,
        "test": 180,
    }
    assert found["data"]["form"] == {"size": 8, "channels": 1, "fit": "stretch", "value_range": None}
    assert found["model"]["parameters"] == plan.num_parameters
    assert found["training"]["monitor"] == "val/accuracy" and "accuracy" in found["metrics"]
    assert found["environment"] == plan.environment and found["code"] == plan.code


def test_lines_for_a_person(plan):
    lines = dict(plan.lines())
    assert lines["run"] == f"outputs/digits/{plan.run_id}"
    assert "trainer.batch_size=300" in lines["changes"] and "exp" not in lines["changes"]
    assert lines["split"] == "holdout: 1,258 train, 359 val, 180 test"
    # 1258 = 4 * 300 + 58
    assert lines["steps"] == "20: 5 epochs of 4; each leaves out 58 images"
    assert lines["batch"] == "300 images in 2 parts"
    assert lines["rate"] == "sgd, lr 0.1, cosine after 3 steps of warmup"
    assert lines["monitor"] == "val/accuracy (max), evaluated every 4 steps"
    assert "10 classes, 1x8x8 pixels" in lines["data"]


def test_nothing_is_said_about_nothing(plan):
    training = dataclasses.replace(plan.training, batch_size=629, steps_per_epoch=2, warmup_steps=0, accumulate=1)
    spec = dataclasses.replace(plan.spec, overrides=("+exp=digits",))
    lines = dict(dataclasses.replace(plan, training=training, spec=spec).lines())
    assert "leaves out" not in lines["steps"] and "warmup" not in lines["rate"] and "parts" not in lines["batch"]
    assert lines["changes"] == "none"


def test_groups_are_counted(plan):
    facts = dataclasses.replace(plan.data, groups={"train": 1200, "val": 30, "test": 4})
    assert dict(dataclasses.replace(plan, data=facts).lines())["data"].endswith(", 1,234 groups")


def test_class_names_of_any_script_survive(plan):
    facts = dataclasses.replace(plan.data, classes=("caf\u00e9", "\u732b", "no", "1", "a: b", "#x"))
    text = dataclasses.replace(plan, data=facts).to_yaml()
    assert yaml.safe_load(text)["data"]["classes"] == ["caf\u00e9", "\u732b", "no", "1", "a: b", "#x"]


def test_plan_is_what_a_resume_reads(plan, tmp_path):
    folder = RunFolder(tmp_path)
    folder.plan.write_text(plan.to_yaml())
    found = yaml.safe_load(folder.plan.read_text())
    assert found["training"]["precision"] in ("fp32", "bf16", "fp16")
    assert len(found["data"]["data_fingerprint"]) == len(found["data"]["split_fingerprint"]) == 64


def test_facts_are_plain_values(plan):
    assert isinstance(plan.data, DataFacts)
    numbers = [count for counts in plan.data.counts.values() for count in counts]
    assert not [number for number in numbers if isinstance(number, np.generic)]


@pytest.mark.parametrize(("number", "device", "wanted"), [(1, "cuda:1", "cuda:1"), (2, "cuda:0", "2 x cuda")])
def test_several_devices_are_counted(plan, number, device, wanted):
    spec = dataclasses.replace(plan.spec, settings=dataclasses.replace(plan.spec.settings, devices=number))
    found = dict(dataclasses.replace(plan, spec=spec, device=device).lines())["machine"]
    assert found.startswith(f"{wanted}, ")

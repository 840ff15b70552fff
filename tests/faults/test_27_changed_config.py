"""Row 27: a key is free, allowed and logged, or frozen; a learning rate needs a flag; the difference is shown."""

import functools
import json
import math
import shutil
from pathlib import Path

import kit
import pytest
import yaml

from cvrun import config, keys, options
from cvrun.command._changes import asked
from cvrun.errors import ConfigError
from cvrun.folder import RunFolder
from cvrun.trainer import checkpoint

CANDIDATES = ("31", "7st", "max", "0.25", "true", "false", "0.9", "[0,180]", "[1.0,0.5]", "zeros", "reflect")
"""One of these is another value of any key that may change."""


def every_key() -> list[tuple[str, str]]:
    """Each key with the choice that has it, such as ("optimizer.betas", "optimizer=adam")."""
    train = yaml.safe_load((options.config_root() / "train.yaml").read_text())
    found = []
    for key, value in train.items():
        if key not in ("defaults", "hydra"):
            found += [(f"{key}.{name}", "seed=0") for name in value] if isinstance(value, dict) else [(key, "seed=0")]
    for group in options.GROUPS:
        found += [(group, "seed=0")]
        for choice, path in options.choices(group).items():
            names = [name for name in yaml.safe_load(path.read_text()) if name != "option"]
            found += [(f"{group}.{name}", f"{group}={choice}") for name in names]
    return found


EVERY = every_key()
FREE = {
    "device": "cpu",
    "devices": "2",
    "compile": "true",
    "threads": "3",
    "keep_memory": "false",
    "cache": "off",
    "cache_budget": "1.5",
    "workers": "1",
    "worker_timeout": "9",
    "deterministic": "true",
    "keep_states": "5",
    "disk_full": "go_on",
    "audit": "false",
    "strict_warnings": "true",
    "data.root": "/elsewhere",
    "data.download": "true",
    "logger": "[csv]",
}


@functools.cache
def text_of(choice: str) -> str:
    return config.compose([choice]).text


def of(word: str) -> list[tuple[str, str]]:
    return [(key, choice) for key, choice in EVERY if keys.class_of(key) == word]


@pytest.fixture
def saved(tmp_path):
    """Writes the spec of a run that began; gives its folder."""

    def saved(choice: str) -> RunFolder:
        (tmp_path / "spec.yaml").write_text(text_of(choice))
        return RunFolder(tmp_path)

    return saved


def content(folder: RunFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.path.iterdir() if path.is_file()}


def test_every_key_has_one_of_the_classes():
    assert len(EVERY) > 100
    assert len(EVERY) == sum(len(of(word)) for word in (keys.FREE, keys.ALLOWED, keys.FROZEN, keys.START))
    assert [key for key, _ in EVERY if keys.class_of(key) is None] == []


@pytest.mark.parametrize(("key", "choice"), of(keys.FROZEN) + of(keys.START), ids=lambda value: value)
def test_frozen_keys_are_refused_and_nothing_is_written(key, choice, saved):
    folder = saved(choice)
    before = content(folder)
    with pytest.raises(ConfigError, match=f"^{key}=3: {key} is (frozen|read when a run starts)") as caught:
        asked(folder, ["trainer.epochs=99", f"{key}=3"], lr_may_change=True)
    assert caught.value.exit_code == 2 and "cvrun train" in str(caught.value)
    assert content(folder) == before


@pytest.mark.parametrize(("key", "choice"), of(keys.ALLOWED), ids=lambda value: value)
def test_allowed_keys_are_taken_with_the_value_before(key, choice, saved):
    folder = saved(choice)
    values = [name for name in options.choices(key) if name != "none"][-1:] if key in options.GROUPS else CANDIDATES
    found = {}
    for value in values:
        try:
            spec, found = asked(folder, [f"{key}={value}"], lr_may_change=key == "optimizer.lr")
        except ConfigError as error:
            assert f"{key}=" in str(error)
        if found:
            break
    assert list(found) == [key]
    start = yaml.safe_load(text_of(choice))
    before = list(found[key][0]) if isinstance(found[key][0], tuple) else found[key][0]
    assert before == (start[key] if key in options.GROUPS else functools.reduce(dict.get, key.split("."), start))
    assert found[key][1] != found[key][0]
    assert (spec.id, spec.text) == (config.saved(folder.spec).id, text_of(choice))


@pytest.mark.parametrize(("key", "choice"), of(keys.FREE), ids=lambda value: value)
def test_free_keys_move_the_work_and_are_not_logged(key, choice, saved):
    folder = saved(choice)
    spec, changes = asked(folder, [f"{key}={FREE[key]}"], lr_may_change=False)
    assert changes == {}
    assert spec.replaced != () and spec.id == config.saved(folder.spec).id


def test_a_learning_rate_needs_its_flag(saved):
    folder = saved("seed=0")
    with pytest.raises(ConfigError, match=r"optimizer.lr 0.1 -> 0.001: expected --allow-lr-change"):
        asked(folder, ["optimizer.lr=1e-3"], lr_may_change=False)
    assert asked(folder, ["optimizer.lr=1e-3"], lr_may_change=True)[1] == {"optimizer.lr": (0.1, 0.001)}
    with pytest.raises(ConfigError, match="--allow-lr-change: expected optimizer.lr=VALUE"):
        asked(folder, ["trainer.epochs=40"], lr_may_change=True)


def test_a_frozen_key_that_follows_an_allowed_one_is_refused(tmp_path):
    spec = config.compose(["trainer.batch_size=${trainer.epochs}"])
    (tmp_path / "spec.yaml").write_text(spec.text)
    with pytest.raises(
        ConfigError, match="makes trainer.batch_size 30 -> 40 as well, and trainer.batch_size is frozen"
    ):
        asked(RunFolder(tmp_path), ["trainer.epochs=40"], lr_may_change=False)


def state_of(folder: Path):
    found = checkpoint.newest(folder / "checkpoints", "step", lambda line: None)
    assert found is not None
    return found[1]["state"]


def spec_bytes(folder: Path) -> bytes:
    return (folder / "spec.yaml").read_bytes()


def changed(folder: Path) -> list[dict]:
    rows = [json.loads(line) for line in (folder / "changes.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "time"} for row in rows]


def test_made_longer_it_ends_as_one_that_was_as_long_from_the_start(words, tmp_path, digest):
    constant = (*words, "scheduler=constant")
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    assert kit.run([*constant, "trainer.epochs=6"], tmp_path / "whole").code == 0
    assert kit.run(constant, tmp_path / "parts").code == 0
    whole, parts = kit.run_folder(tmp_path / "whole"), kit.run_folder(tmp_path / "parts")
    before = spec_bytes(parts)
    # Killed on the way, and taken up by the command that started it.
    died = kit.run(["resume", parts, "trainer.epochs=6"], tmp_path / "parts", faults="record.written@5=kill")
    assert died.code == 137 and "changed: trainer.epochs 3 -> 6" in (parts / "log.txt").read_text()
    again = kit.run(constant, tmp_path / "parts")
    assert again.code == 0 and "going on from step" in again.err
    assert digest(state_of(parts)) == digest(state_of(whole))
    assert kit.records(parts) == kit.records(whole)
    assert changed(parts) == [{"step": 9, "changes": {"trainer.epochs": [3, 6]}}]
    assert spec_bytes(parts) == before and parts.name != whole.name
    third = kit.run(constant, tmp_path / "parts")
    assert "finished before" in third.out and kit.status(parts)["step"] == 18


def test_a_curve_is_that_of_the_longer_plan_from_there_on(whole, words, tmp_path):
    copy = tmp_path / "outputs" / "f" / whole.name
    shutil.copytree(whole, copy)
    said = kit.run(["resume", copy, "trainer.epochs=4"], tmp_path)
    assert said.code == 0, said.err

    def rate(step: int, total: int) -> float:
        # scheduler=cosine of optimizer=sgd: from 0.1 to a hundredth of it at the last step.
        return 0.1 * (0.01 + 0.99 * (1 + math.cos(math.pi * step / (total - 1))) / 2)

    rates = {row["step"]: row["train/lr"] for row in kit.records(copy) if "train/lr" in row}
    expected = {step + 1: rate(step, 9 if step < 9 else 12) for step in range(12)}
    assert rates == pytest.approx(expected, rel=1e-9)
    assert f"lr at step 9: {rate(8, 9):.6g} -> {rate(9, 12):.6g}" in (copy / "log.txt").read_text()

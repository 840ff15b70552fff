"""Issue scope 6: what comes from others is data; secrets stay where they are; SECURITY.md names tests that exist."""

import json
import os
import pickle
import re
import shutil
import socket
import stat
import struct
import time
import zlib
from pathlib import Path

import kit
import pytest
import yaml
from foreign import Trap
from PIL import Image, ImageFile

from cvrun import options
from cvrun.data import ImageForm
from cvrun.errors import DataError
from cvrun.pipeline.decode import decode

ROOT = Path(__file__).resolve().parents[2]
BOMB = "a0: &a0 [x, x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60))

# What stands at the end of a spec.yaml of somebody else -> what the line says.
SPECS = {
    "aliases": (BOMB, "more than 10,000 values"),
    "an alias of itself": ("a: &a [*a]\n", "*a stands inside what it means"),
    "depth": (f"a: {'[' * 100_000}\n", "nested more than 32 deep"),
    "size": (f"#{'x' * 2**20}\n", "larger than 1,048,576 bytes"),
    "python": ("a: !!python/object/apply:os.mkdir [sprung]\n", "the tag tag:yaml.org,2002:python/object/apply"),
    "key twice": ("seed: 1\n", "duplicate key seed"),
    "NUL": ("a: '\x00'\n", "not YAML"),
    "secret": ("a: ${oc.env:HF_TOKEN}\n", "a: takes the environment variable HF_TOKEN"),
    "resolver": ("a: ${os.system:ls}\n", "a: Unsupported interpolation type os.system"),
    "target": ("a: {_target_: os.mkdir, path: sprung}\n", "a: unknown key"),
    "many interpolations": ("a: " + "${name}" * 21 + "\n", "more than 20 interpolations"),
}


@pytest.mark.parametrize("name", SPECS)
def test_a_run_of_somebody_else_with_a_hostile_spec(name, whole, images, call, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "canary-value")
    run = shutil.copytree(whole, tmp_path / "run")
    text, said = SPECS[name]
    (run / "spec.yaml").write_text((run / "spec.yaml").read_text() + text)
    for words in (["resume", run], ["eval", run], ["predict", run, images / "ant" / "00.png"]):
        began = time.monotonic()
        found = call(*words)
        assert time.monotonic() - began < 2
        assert found.code == 2 and found.err.count("\n") == 1, found.err
        assert said in found.err
        assert "canary-value" not in found.err and "internal error" not in found.err
    assert call("runs", tmp_path).code == 0
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("name", [".lock", "records.jsonl", "checkpoints", "predictions"])
def test_a_link_in_a_run_of_somebody_else_leads_nowhere(name, whole, call, tmp_path):
    run = shutil.copytree(whole, tmp_path / "run")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine")
    path = run / name
    target = tmp_path / "mine" if path.is_dir() else tmp_path / "mine" / "file"
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    path.symlink_to(target)
    for command in ("resume", "eval"):
        said = call(command, run)
        assert said.code == 2 and f"{name}: a link inside a run" in said.err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["file"]
    assert (tmp_path / "mine" / "file").read_text() == "mine"


NAMES = ("status.json", "records.jsonl", "changes.jsonl", "log.txt", "spec.yaml", "plan.yaml", "data.csv", ".lock")
PLACES = (*NAMES, "checkpoints/odd", "predictions/odd")


@pytest.fixture
def at_home(whole, tmp_path):
    """A copy of the finished run where `cvrun train` looks for it."""
    return shutil.copytree(whole, tmp_path / "outputs" / "f" / whole.name)


def refused(said, code: int, text: str) -> None:
    assert said.code == code and said.err.count("\n") == 1, said.err
    assert text in said.err and "internal error" not in said.err


@pytest.mark.parametrize("name", PLACES)
def test_a_pipe_or_a_folder_in_place_of_a_file_is_refused_unread(name, at_home, words, call, tmp_path):
    path = at_home / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    for command in (["resume", at_home], ["eval", at_home], words):
        refused(call(*command), 2, f"{name}: a named pipe inside a run")
    assert call("runs", tmp_path).code == 0
    path.unlink()
    if name in NAMES:
        path.mkdir()
        for command in (["resume", at_home], words):
            refused(call(*command), 2, f"{name}: a folder, expected a file")


def test_a_socket_and_a_file_in_place_of_a_folder_are_refused(at_home, words, call, monkeypatch):
    monkeypatch.chdir(at_home)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("odd")
        for command in (["resume", at_home], words):
            monkeypatch.chdir(at_home.parents[2])
            refused(call(*command), 2, "odd: a socket inside a run")
    (at_home / "odd").unlink()
    shutil.rmtree(at_home / "predictions")
    (at_home / "predictions").touch()
    refused(call("resume", at_home), 2, "predictions: a file, expected a folder")


def test_train_does_not_follow_a_link_in_the_run_that_it_finds(at_home, words, call, tmp_path):
    (tmp_path / "mine").write_text("mine")
    (at_home / ".lock").unlink()
    (at_home / ".lock").symlink_to(tmp_path / "mine")
    for more in ([], ["rerun=true"]):
        refused(call(*words, *more), 2, ".lock: a link inside a run")
    assert (tmp_path / "mine").read_text() == "mine"


ODD_STATUS = ('"seconds": "abc"', '"seconds": [1]', '"seconds": -5', '"seconds": 1e400', '"seconds": true')
ODD_STATUS += ('"score": "a"', '"step": {}', '"best_step": null', '"metrics": {"a": "b"}', '"epochs": []')
ODD_STATUS += ('"state": []', f'"seconds": 1{"0" * 400}')


@pytest.mark.parametrize("odd", ODD_STATUS)
def test_a_status_of_the_wrong_kind_is_none(odd, at_home, call):
    # What stands last counts.
    text = (at_home / "status.json").read_text().rstrip().removesuffix("}")
    before = json.loads(text + "}")
    (at_home / "status.json").write_text(f"{text}, {odd}}}")
    said = call("resume", at_home)
    assert said.code == 0, said.err
    after = kit.status(at_home)
    assert after["seconds"] < 60
    for name in ("state", "step", "score", "best_step", "metrics", "digest"):
        assert after[name] == before[name]


def test_a_record_that_is_nested_without_end_does_not_count(at_home, words, call):
    before = kit.records(at_home)
    text = (at_home / "records.jsonl").read_text()
    deep = "[" * 200_000 + "\n" + '{"step": 1, "a": ' + "[" * 500 + "]" * 500 + "}\n"
    for command in (["resume", at_home], words):
        (at_home / "records.jsonl").write_text(deep + text)
        (at_home / "status.json").unlink()
        said = call(*command)
        assert said.code == 0, said.err
        assert kit.records(at_home) == before


ODD_PLANS = {
    "a list": ((), []),
    "no numbers": (("training",), {"precision": "fp32"}),
    "training is a list": (("training",), ["precision"]),
    "another precision": (("training", "precision"), "evil"),
    "precision is a list": (("training", "precision"), ["fp32"]),
    "no steps": (("training", "steps_per_epoch"), 0),
    "lr": (("training", "lr"), "fast"),
    "counts": (("data", "counts"), "x"),
    "counts of a part": (("data", "counts"), {"train": ["x"]}),
    "classes": (("data", "classes"), 4),
    "fingerprint": (("data", "data_fingerprint"), {}),
    "environment": (("environment",), None),
    "overrides": (("overrides",), 5),
    "run_id": (("run_id",), []),
}


@pytest.mark.parametrize("name", ODD_PLANS)
def test_a_plan_of_the_wrong_kind_is_damaged(name, at_home, words, call):
    keys, value = ODD_PLANS[name]
    plan = yaml.safe_load((at_home / "plan.yaml").read_text())
    inner = plan
    for key in keys[:-1]:
        inner = inner[key]
    if keys:
        inner[keys[-1]] = value
    (at_home / "plan.yaml").write_text(yaml.safe_dump(plan if keys else value))
    for command in (["resume", at_home], ["resume", at_home, "trainer.epochs=4"], words):
        refused(call(*command), 4, "plan.yaml: damaged (")


ODD_CHANGES = (
    *("{}", "[]", "5", "[" * 100_000, '{"time": "t", "step": 3, "changes": []}'),
    '{"time": "t", "step": 3, "changes": {"seed": [0, 1]}}',
    *(f'{{"time": "t", "step": {step}, "changes": {{}}}}' for step in ("-1", "1e400", "true", '"3"', "[]")),
    *(
        f'{{"time": "t", "step": 3, "changes": {{"{key}": [1, {value}]}}}}'
        for key in ("trainer.epochs", "scheduler", "early_stopping", "optimizer.lr")
        for value in ("[]", "{}", '{"option": []}', '{"option": "os"}', "null", '"${oc.env:HF_TOKEN}"', "1e400")
    ),
)


@pytest.mark.parametrize("line", ODD_CHANGES, ids=lambda line: line[:80])
def test_changes_of_the_wrong_kind_are_damaged(line, at_home, call, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "canary-value")
    (at_home / "changes.jsonl").write_text(line + "\n")
    for command in (["resume", at_home], ["resume", at_home, "trainer.epochs=4"]):
        said = call(*command)
        refused(said, 4, "changes.jsonl")
        assert "canary-value" not in said.err


@pytest.mark.parametrize(
    "content", ["", "id,part\n", "id,part,label,group,content\na,b,c\n", "\0", '"' + "x" * 200_000]
)
def test_a_list_of_images_of_the_wrong_kind_is_passed_over(content, at_home, words, call):
    plan = (at_home / "plan.yaml").read_text()
    (at_home / "plan.yaml").write_text(re.sub("data_fingerprint: .*", "data_fingerprint: other", plan))
    (at_home / "data.csv").write_text(content)
    refused(call(*words), 4, "the data changed since this run was started: images then {'train': 28")


def test_no_secret_of_the_environment_is_written_or_said(words, images, tmp_path):
    env = dict.fromkeys(("HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "MY_CREDENTIALS"), "canary-value")
    said = kit.run([*words, "trainer.epochs=1", "logger=[console,jsonl,csv]"], tmp_path, env=env)
    assert said.code == 0, said.err
    told = said.out + said.err
    for more in (
        ["--cfg", "job"],
        ["--cfg", "all"],
        ["name=${oc.env:HF_TOKEN}"],
        ["optimizer.lr=${oc.env:DB_PASSWORD}"],
    ):
        found = kit.run([*words, *more], tmp_path, env=env)
        told += found.out + found.err
        assert (found.code == 2) == more[0].startswith(("name", "optimizer"))
    told += kit.run(["eval", kit.run_folder(tmp_path)], tmp_path, env=env).out
    assert "whose name is that of a secret" in told and "val/accuracy" in told
    assert "canary-value" not in told
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"spec.yaml", "plan.yaml", "status.json", "records.jsonl"} <= {path.name for path in files}
    assert [path for path in files if b"canary-value" in path.read_bytes()] == []


def test_the_value_of_another_variable_is_not_saved_in_the_configuration(words, images, tmp_path):
    words = [word for word in words if not word.startswith("data.root=")]
    env = {"MY_IMAGES": str(images)}
    said = kit.run([*words, "data.root=${oc.env:MY_IMAGES}", "trainer.epochs=1"], tmp_path, env=env)
    assert said.code == 0, said.err
    text = (kit.run_folder(tmp_path) / "spec.yaml").read_text()
    assert "${oc.env:MY_IMAGES}" in text and str(images) not in text


def bomb(path: Path, side: int) -> Path:
    """A PNG file of a few bytes that says it has side * side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\x00" * 100)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    return path


def test_limits_of_images_are_on(tmp_path):
    assert Image.MAX_IMAGE_PIXELS == 1024 * 1024 * 1024 // 4 // 3
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
    with pytest.raises(DataError, match="decompression bomb"):
        decode(bomb(tmp_path / "bomb.png", 20_000), ImageForm(8, 3, "stretch"))


def test_an_image_bomb_ends_a_run_before_it_trains(words, images, call, tmp_path):
    root = shutil.copytree(images, tmp_path / "images")
    bomb(root / "ant" / "00.png", 20_000)
    said = call(*words, f"data.root={root}")
    assert said.code == 3 and "00.png" in said.err, said.err


def test_a_pickle_in_place_of_a_published_set_is_not_run(call, tmp_path):
    folder = tmp_path / "data" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for name in ("batches.meta", "test_batch", *(f"data_batch_{i}" for i in range(1, 6))):
        (folder / name).write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    said = call("check", "data=torchvision", "data.name=CIFAR10", f"data.root={tmp_path / 'data'}")
    assert said.code == 3 and said.err.count("\n") == 1, said.err
    assert not (tmp_path / "sprung").exists()


def test_the_lock_is_the_owners_alone(whole):
    assert stat.S_IMODE(os.stat(whole / ".lock").st_mode) == 0o600


def test_packaged_configurations_name_no_class_and_no_variable():
    for path in options.config_root().rglob("*.yaml"):
        text = path.read_text()
        assert not re.search(r"_target_|\$\{|!!", text), path
        assert isinstance(yaml.safe_load(text), dict)


def test_what_security_md_names_exists():
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", (ROOT / "SECURITY.md").read_text()))
    assert len(named) >= 10
    assert [path for path in sorted(named) if not (ROOT / path).is_file()] == []

"""Every wrong word ends in one line that names the key, and exit code 2; Hydra's own flags work."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cvrun import config
from cvrun.cli import main
from cvrun.errors import CheckpointError, ConfigError
from cvrun.keys import RESUME_KEYS

GLOBAL = "# @package _global_\n"

# Words of the command line; what the one line on standard error has to say.
COMMAND_LINE = [
    (["optimizer.lrr=0.1"], ["optimizer.lrr: unknown key", "lr, weight_decay", "did you mean 'lr'?"]),
    (["optimiser.lr=0.1"], ["optimiser.lr: unknown key", "did you mean 'optimizer'?"]),
    (["optimiser=adam"], ["optimiser: unknown key", "did you mean 'optimizer'?"]),
    (["optimizer=adan"], ["optimizer=adan: expected one of adagrad, adam", "did you mean 'adam'?"]),
    (["lr=0.1"], ["lr: unknown key", "did you mean 'optimizer.lr'?"]),
    (["epochs=3"], ["epochs: unknown key", "did you mean 'trainer.epochs'?"]),
    (["--epochs", "3"], ["--epochs: unknown flag", "did you mean 'trainer.epochs=...'?"]),
    (["--config-dir"], ["--config-dir", "expected one argument"]),
    (["+optimizer.lrr=0.1"], ["optimizer.lrr: unknown key", "did you mean 'lr'?"]),
    (["+sead=1"], ["sead: unknown key", "did you mean 'seed'?"]),
    (["+trainer.foo.bar=1"], ["trainer.foo: unknown key", "expected one of epochs"]),
    (["++optimizer.lr=abc"], ["optimizer.lr='abc': expected a number"]),
    (["+optimizer=adam"], ["optimizer: chosen twice", "without a plus sign"]),
    (["~optimizer.lr"], ["optimizer.lr: no value, expected a number"]),
    (["~seed"], ["seed: no value, expected a whole number"]),
    (["~trainer"], ["trainer=None: expected keys of its own"]),
    (["optimizer=null"], ["optimizer=null: expected GROUP=NAME"]),
    (["optimizer=3"], ["optimizer=3: expected GROUP=NAME"]),
    (["=3"], ["=3: expected GROUP=NAME"]),
    (["optimizer.lr"], ["optimizer.lr: expected KEY=VALUE"]),
    (["optimizer.lr=[1"], ["optimizer.lr=[1: expected KEY=VALUE"]),
    (["name=a=b"], ["name=a=b: expected KEY=VALUE", "quotes"]),
    (["optimizer.lr=abc"], ["optimizer.lr='abc': expected a number"]),
    (["optimizer.lr="], ["optimizer.lr='': expected a number"]),
    (["optimizer.lr=-1"], ["optimizer.lr=-1.0: expected lr > 0"]),
    (["optimizer.lr=nan"], ["optimizer.lr=nan: expected"]),
    (["optimizer.lr=1" + 400 * "0"], ["optimizer.lr=1000", "expected a number"]),
    (["optimizer.option=adn"], ["optimizer.option=adn: expected one of", "did you mean 'adam'?"]),
    (["trainer.epochs=0"], ["trainer.epochs=0: expected epochs >= 1"]),
    (["trainer.epochs=1.5"], ["trainer.epochs=1.5: expected a whole number"]),
    (["trainer.epochs=1e3"], ["trainer.epochs=1000.0: expected a whole number"]),
    (["trainer.epochs=null"], ["trainer.epochs=null: expected a whole number"]),
    (["trainer.epochs=true"], ["trainer.epochs=true: expected a whole number"]),
    (["trainer=3"], ["trainer=3: expected keys of its own"]),
    (["trainer.eval_every=5"], ["trainer.eval_every=5: expected a number with a unit: 5ep"]),
    (["trainer.eval_every=12:30:00"], ["trainer.eval_every=12:30:00: expected a number with a unit"]),
    (["trainer.precision=fp8"], ["trainer.precision=fp8: expected one of fp32, bf16", "did you mean 'fp32'?"]),
    (["seed=-1"], ["seed=-1: expected 0 <= seed < 2**63"]),
    (["seed=0o17"], ["seed='0o17': expected a whole number"]),
    (["seed=1,2"], ["'seed=1,2'", "-m sweeps"]),
    (["rerun=no"], ["rerun='no': expected true or false"]),
    (["optimizer.nesterov=1"], ["optimizer.nesterov=1: expected true or false"]),
    (["name=2024"], ["name=2024: expected text", "quotes"]),
    (["name=../x"], ["name=../x: expected letters, digits"]),
    (["name=${nothing.here}"], ["name: Interpolation key 'nothing.here' not found"]),
    (["name=${oc.env:CVRUN_NO_SUCH}"], ["name: ", "'CVRUN_NO_SUCH' not found"]),
    (["optimizer.lr=${optimizer.lr}"], ["optimizer.lr: Recursive interpolation"]),
    (["monitor.metric=test/accuracy"], ["monitor.metric=test/accuracy: expected", "test split may not choose"]),
    (["logger=[console,cvs]"], ["logger=cvs: expected one of console, csv", "did you mean 'csv'?"]),
    (["exp=digits"], ["exp: ", "write +exp=NAME"]),
    (["+exp=digts"], ["exp=digts: expected one of", "did you mean 'digits'?"]),
    (["+exp=null"], ["+exp=null: expected GROUP=NAME"]),
    (["+model._target_=os.system"], ["model._target_: unknown key"]),
    (["--config-dir", "nowhere", "seed=1"], ["nowhere' not found"]),
]

# Text of a user's experiment; what the line has to say.
FILES = {
    "misspelt": (GLOBAL + "optimizer:\n  lrr: 0.1\n", ["optimizer.lrr: unknown key", "did you mean 'lr'?"]),
    "other choice": (GLOBAL + "scheduler:\n  patience: 3\n", ["scheduler.patience: unknown key"]),
    "new group": (GLOBAL + "schedular:\n  warmup: 3ep\n", ["schedular: unknown key", "did you mean 'scheduler'?"]),
    "time": (
        GLOBAL + "trainer:\n  eval_every: 12:30:00\n",
        [".yaml, line 3: not YAML", "12:30:00 is the number 45000 in YAML, quote it"],
    ),
    "no": (GLOBAL + "name: no\n", ["name=false: expected text", "quotes"]),
    "yes": (GLOBAL + "seed: yes\n", ["seed=true: expected a whole number"]),
    "octal": (GLOBAL + "seed: 0o17\n", ["seed='0o17': expected a whole number"]),
    "number as name": (GLOBAL + "name: 2024\n", ["name=2024: expected text", "quotes"]),
    "null": (GLOBAL + "optimizer: null\n", ["optimizer=None: expected keys of its own"]),
    "target": (GLOBAL + "model:\n  _target_: os.system\n", ["model._target_: unknown key"]),
    "bracket": (GLOBAL + "seed: [1\n", [".yaml, line ", "not YAML"]),
    "tab": (GLOBAL + "trainer:\n\tepochs: 3\n", [".yaml, line 3: not YAML"]),
    "twice": (GLOBAL + "seed: 1\nseed: 2\n", [".yaml, line 3: not YAML", "duplicate key seed"]),
    "list": (GLOBAL + "- a\n", ["exp/mine", "Cannot merge"]),
    "no package": ("seed: 3\n", ["exp: unknown key", "# @package _global_"]),
    "wrong override": (
        GLOBAL + "defaults:\n  - override /schedular: step\n",
        ["schedular: unknown key", "'scheduler'"],
    ),
    "wrong choice": (
        GLOBAL + "defaults:\n  - override /scheduler: stepp\n",
        ["scheduler=stepp: expected one of", "'step'"],
    ),
    "wrong parent": (GLOBAL + "defaults:\n  - /exp/digts\n", ["exp=digts: expected one of", "did you mean 'digits'?"]),
    "interpolation": (GLOBAL + "name: ${nothing}\n", ["name: Interpolation key 'nothing' not found"]),
    "range": (GLOBAL + "trainer:\n  epochs: 0\n", ["trainer.epochs=0: expected epochs >= 1"]),
}


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Writes a user's experiment; gives the words that choose it. The working folder is empty."""
    monkeypatch.chdir(tmp_path)

    def write(text: str | bytes) -> list[str]:
        path = tmp_path / "my configs" / "exp" / "mine.yaml"
        path.parent.mkdir(parents=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return ["--config-dir", str(path.parents[1]), "+exp=mine"]

    return write


def refused(command: str, words: list[str], capsys) -> str:
    """The one line that the command says."""
    assert main([command, *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"cvrun {command}: ") and said.err.count("\n") == 1 and said.err.endswith("\n")
    assert "internal error" not in said.err and "Traceback" not in said.err
    return said.err


@pytest.mark.parametrize(("words", "parts"), COMMAND_LINE, ids=lambda value: str(value)[:40])
def test_wrong_words_are_one_line(words, parts, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = refused("check", words, capsys)
    assert [part for part in parts if part not in line] == [], line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", FILES)
def test_wrong_files_are_one_line(name, mine, capsys):
    text, parts = FILES[name]
    line = refused("check", mine(text), capsys)
    assert [part for part in parts if part not in line] == [], line


def test_file_in_another_encoding_is_one_line(mine, capsys):
    assert "not UTF-8" in refused("check", mine(b"# @package _global_\nname: caf\xe9\n"), capsys)


@pytest.mark.parametrize("words", [["optimizer.lrr=0.1"], ["trainer.epochs=0"], ["trainer.batch_size=5000"]])
def test_train_leaves_nothing_behind_when_it_refuses(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused("train", words, capsys)
    assert list(tmp_path.iterdir()) == []


def test_several_calls_in_one_process(capsys):
    for seed in (3, 4):
        assert main(["train", "--cfg", "job", f"seed={seed}"]) == 0
        assert yaml.safe_load(capsys.readouterr().out)["seed"] == seed
    assert config.compose(["seed=5"]).settings.seed == 5


def test_arguments_of_the_process_are_put_back(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["cvrun", "other"])
    main(["check", "--cfg", "job"])
    main(["check", "sead=1"])
    assert sys.argv == ["cvrun", "other"]


def test_users_experiment_extends_a_packaged_one(mine, capsys):
    text = GLOBAL + "defaults:\n  - /exp/digits\n  - override /scheduler: plateau\n  - _self_\noptimizer:\n  lr: 0.25\n"
    words = mine(text)
    assert main(["check", *words, "--cfg", "job"]) == 0
    found = yaml.safe_load(capsys.readouterr().out)
    packaged = config.compose(["+exp=digits"])
    assert found["name"] == packaged.settings.name == "digits"
    assert found["scheduler"]["option"] == "plateau"
    # The default is no augmentation, so this comes from the packaged experiment.
    assert found["augment"]["option"] == packaged.parts["augment"].option == "basic"
    assert found["optimizer"]["lr"] == 0.25
    spec = config.compose(["+exp=mine"], Path(words[1]))
    assert spec.parts["scheduler"].option == "plateau" and spec.parts["optimizer"].config.lr == 0.25


def test_keys_may_stand_before_and_behind_flags(capsys):
    assert main(["check", "seed=1", "--cfg", "job", "name=x"]) == 0
    found = yaml.safe_load(capsys.readouterr().out)
    assert (found["seed"], found["name"]) == (1, "x")


def test_variable_is_used_and_not_saved(monkeypatch):
    monkeypatch.setenv("CVRUN_STAGE", "hush")
    spec = config.compose(["name=${oc.env:CVRUN_STAGE}"])
    assert spec.settings.name == "hush"
    assert "hush" not in spec.text and "${oc.env:CVRUN_STAGE}" in spec.text


def test_variable_of_the_command_line_stays_out_of_what_was_said(monkeypatch):
    monkeypatch.setenv("CVRUN_STAGE", "hush")
    jobs = []
    config.run_command(["name=${oc.env:CVRUN_STAGE}"], "cvrun train", jobs.append)
    assert jobs[0].said == ("name=${oc.env:CVRUN_STAGE}",)
    spec = jobs[0].compose()
    assert spec.settings.name == "hush"
    assert "hush" not in spec.text + "".join(spec.overrides)


def test_sweep_gives_one_job_a_value_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jobs = []
    config.run_command(["-m", "seed=3,1", "name=a,b"], "cvrun train", jobs.append)
    assert [job.number for job in jobs] == [0, 1, 2, 3]
    assert [job.said for job in jobs][:2] == [("seed=3", "name=a"), ("seed=3", "name=b")]
    assert [job.compose().settings.seed for job in jobs] == [3, 3, 1, 1]


def test_errors_of_the_task_are_not_taken_for_hydras():
    def fail(job):
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        config.run_command([], "cvrun train", fail)


def test_no_loggers_are_a_choice():
    assert config.compose(["logger=[]"]).loggers == {}


def saved(path: Path, words=()) -> Path:
    path.write_text(config.compose(list(words)).text)
    return path


def test_saved_configuration_is_the_same_spec(tmp_path):
    words = ["+exp=digits", "seed=3", "scheduler=multistep", "optimizer=adamw", "optimizer.betas=[0.8,0.99]"]
    before, after = config.compose(words), config.load(saved(tmp_path / "spec.yaml", words), [])
    assert (after.id, after.settings, after.trainer, after.parts) == (
        before.id,
        before.settings,
        before.trainer,
        before.parts,
    )


def test_resume_may_move_the_work_and_keeps_the_id(tmp_path):
    path = saved(tmp_path / "spec.yaml", ["data=folder", "data.root=/a"])
    before = config.load(path, [])
    after = config.load(path, ["data.root=/b", "workers=0", "threads=3", "device=cpu"])
    assert after.id == before.id
    assert (after.parts["data"].config.root, after.settings.workers, after.settings.threads) == ("/b", 0, 3)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["workers"], "workers: expected KEY=VALUE"),
        (["+workers=3"], "+workers=3: expected KEY=VALUE with one value and no sign in front"),
        (["~workers"], "~workers: expected KEY=VALUE"),
        (["workers=1,2"], "workers=1,2: expected KEY=VALUE with one value"),
        (["trainer.epochs=3"], f"trainer.epochs=3: expected one of {', '.join(RESUME_KEYS)}; cvrun resume changes"),
        (["workrs=3"], "did you mean 'workers'?"),
        (["workers=many"], "workers='many': expected a whole number"),
        (["workers=[1"], "workers=[1: expected KEY=VALUE"),
        (["data.root=/x"], "data.root=/x: this run's data has no root"),
        (["device=gpu"], "device=gpu: expected auto, cpu"),
    ],
)
def test_resume_refuses_other_keys(words, message, tmp_path):
    with pytest.raises(ConfigError) as caught:
        config.load(saved(tmp_path / "spec.yaml"), words)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_other_values_keep_id_text_and_what_was_said(tmp_path):
    before = config.compose(["+exp=digits", "optimizer.lr=0.2"])
    after = config.replaced(before, [("trainer.epochs", 7), ("early_stopping", {"option": "never"})])
    again = config.replaced(after, [("optimizer.lr", 0.3)])
    assert (again.trainer.epochs, again.parts["optimizer"].config.lr, again.parts["augment"].option) == (
        7,
        0.3,
        "basic",
    )
    assert (again.id, again.text, again.overrides) == (before.id, before.text, before.overrides)
    assert before.trainer.epochs == 25 and before.replaced == ()
    assert config.replaced(before, []) is before


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (("trainer.epochs", 0), "trainer.epochs=0: expected epochs >= 1"),
        (("trainer.epoch", 3), "trainer.epoch: unknown key"),
        (("trainer", 3), "trainer=3: expected keys of its own"),
        (("tta", {"option": "none", "merge": "mean"}), "tta.merge: unknown key"),
        (("trainer.epochs", "${nothing}"), "'nothing' not found"),
    ],
)
def test_other_values_go_through_the_same_door(pair, message):
    with pytest.raises(ConfigError) as caught:
        config.replaced(config.compose([]), [pair])
    assert message in str(caught.value)


def test_words_are_read_as_train_reads_them():
    words = ["optimizer.lr=1e-3", "a=[x,y]", "b=null", "c='a,b'", "d=true", "e=5ep", "tta=hflip"]
    found = [(key, value) for _, key, value in config.assignments(words)]
    expected = [1e-3, ["x", "y"], None, "a,b", True, "5ep", "hflip"]
    assert found == list(zip(["optimizer.lr", "a", "b", "c", "d", "e", "tta"], expected, strict=True))


def test_what_changed_after_the_start_is_part_of_a_saved_run(tmp_path):
    path = saved(tmp_path / "spec.yaml")
    before = config.load(path, [])
    line = '{"time": "t", "step": 3, "changes": {"trainer.epochs": [30, 40], "optimizer.lr": [0.1, 0.2]}}\n'
    (tmp_path / "changes.jsonl").write_text(line + line.replace("40", "50"))
    after = config.load(path, ["workers=0"])
    assert (after.trainer.epochs, after.parts["optimizer"].config.lr, after.settings.workers) == (50, 0.2, 0)
    assert after.id == before.id and before.trainer.epochs == 30
    assert config.saved(path).trainer.epochs == 30


@pytest.mark.parametrize("value", ["0", '"x"', "null", "[1]", '{"a": 1}', '"${nothing}"'])
def test_a_change_that_cannot_be_is_a_damaged_run(value, tmp_path):
    path = saved(tmp_path / "spec.yaml")
    line = f'{{"time": "t", "step": 3, "changes": {{"trainer.epochs": [30, {value}]}}}}\n'
    (tmp_path / "changes.jsonl").write_text(line)
    with pytest.raises(CheckpointError, match="changes.jsonl: damaged .trainer.epochs"):
        config.load(path, [])


@pytest.mark.parametrize("content", [b"", b"- 1\n", b"seed: [1\n", b"\xff\xfe\x00", b"seed: 1\n", b"text"])
def test_damaged_saved_configuration(content, tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError):
        config.load(path, [])
    with pytest.raises(ConfigError, match="not a saved configuration"):
        config.load(tmp_path / "missing.yaml", [])


def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    return subprocess.run([sys.executable, "-m", "cvrun", *words], capture_output=True, text=True, env=environment)


def complete(line: str) -> list[str]:
    done = run("-sc", "query=bash", COMP_LINE=line, COMP_POINT=str(len(line)))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_shell_completes_commands_and_overrides():
    assert {"train", "check", "eval"} <= set(complete("cvrun "))
    assert complete("cvrun train optimizer=adam") == ["optimizer=adam", "optimizer=adamw"]
    assert complete("cvrun check trainer.ep") == ["trainer.epochs="]
    assert complete("cvrun eval optimizer=adam") == []


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["train", "--help"], ["cvrun train is powered by Hydra", "optimizer: adagrad, adam, adamw"]),
        (["check", "--hydra-help"], ["--multirun"]),
    ],
)
def test_hydras_own_flags(words, parts, capsys):
    try:
        code = main(words)
    except SystemExit as done:
        code = done.code
    assert code == 0
    text = capsys.readouterr().out
    assert [part for part in parts if part not in text] == []


def test_hydras_info():
    done = run("check", "--info", "defaults")
    assert done.returncode == 0
    assert "Defaults List" in done.stdout and "scheduler/cosine" in done.stdout


@pytest.mark.parametrize(
    ("words", "absent"),
    [
        (["train", "--cfg", "job"], ["torch", "numpy", "timm", "torchvision"]),
        (["check", "--cfg", "job", "optimizer=adam"], ["torch", "numpy"]),
        (["--help"], ["torch", "numpy", "hydra", "omegaconf", "yaml"]),
        (["--version"], ["torch", "numpy", "hydra", "omegaconf", "yaml"]),
        (["runs", "nowhere"], ["torch", "hydra"]),
        (["options", "optimizer"], ["torch", "numpy", "hydra"]),
    ],
    ids=lambda value: value[0],
)
def test_quick_answers_import_nothing_heavy(words, absent, tmp_path):
    code = (
        "import sys; sys.argv = ['cvrun', *sys.argv[1:]]; from cvrun.cli import main; code = main();"
        "print('loaded', *sys.modules, file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=tmp_path)
    loaded = done.stderr.partition("loaded")[2].split()
    assert "cvrun.cli" in loaded, done.stderr
    assert [name for name in absent if name in loaded] == []


def test_a_job_knows_the_command_line_of_its_own(tmp_path):
    (tmp_path / "exp").mkdir()
    (tmp_path / "exp" / "own.yaml").write_text("# @package _global_\n# Mine.\nname: own\n")
    jobs = []
    config.run_command(["-m", "--config-dir", str(tmp_path), "+exp=own", "seed=3,1"], "cvrun train", jobs.append)
    assert [job.words for job in jobs] == [("+exp=own", f"seed={seed}", f"--config-dir={tmp_path}") for seed in (3, 1)]
    again = []
    config.run_command(list(jobs[0].words), "cvrun train", again.append)
    assert again[0].compose() == jobs[0].compose()

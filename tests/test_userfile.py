from pathlib import Path

import pytest
from hydra._internal.sources_registry import SourcesRegistry

from cvrun import config, options, userfile
from cvrun.errors import ConfigError

GLOBAL = "# @package _global_\n"
POPEN = "{version: 1, handlers: {h: {class: subprocess.Popen, args: [touch, CANARY]}}, root: {handlers: [h]}}"

# What would make Hydra run something: name of the file -> its text.
HOSTILE = {
    "callback": {"exp/mine": GLOBAL + "hydra: {callbacks: {x: {_target_: os.mkdir, path: CANARY}}}\n"},
    "callback behind a merge": {
        "exp/mine": GLOBAL + "name: x\n<<: {hydra: {callbacks: {x: {_target_: os.mkdir, path: CANARY}}}}\n"
    },
    "handler of a log": {"exp/mine": GLOBAL + f"hydra: {{job_logging: {POPEN}}}\n"},
    "launcher": {"exp/mine": GLOBAL + "hydra: {launcher: {_target_: os.mkdir, path: CANARY}}\n"},
    "sweeper": {"exp/mine": GLOBAL + "hydra: {sweeper: {_target_: os.mkdir, path: CANARY}}\n"},
    "words of a sweep": {"exp/mine": GLOBAL + "hydra: {sweeper: {params: {'++hydra.job_logging.x': 1}}}\n"},
    "environment": {"exp/mine": GLOBAL + "hydra: {job: {env_set: {PATH: CANARY}}}\n"},
    "folder": {"exp/mine": GLOBAL + "hydra: {run: {dir: CANARY}}\n"},
    "search path": {"exp/mine": GLOBAL + "hydra: {searchpath: ['pkg://canary']}\n"},
    "not a mapping": {"exp/mine": GLOBAL + "hydra: [1]\n"},
    "package": {"exp/mine": "# @package hydra.callbacks\nx: {_target_: os.mkdir, path: CANARY}\n"},
    "package below the root": {"exp/mine": "#  @ package _global_.hydra\ncallbacks: {x: {_target_: os.mkdir}}\n"},
    "place in the defaults": {
        "exp/mine": GLOBAL + "defaults:\n  - /exp/x@hydra.callbacks.x\n",
        "exp/x": "_target_: os.mkdir\npath: CANARY\n",
    },
    "place of a group in the defaults": {
        "exp/mine": GLOBAL + "defaults:\n  - /exp@hydra.callbacks.x: x\n",
        "exp/x": "_target_: os.mkdir\npath: CANARY\n",
    },
    "group of hydra": {
        "exp/mine": GLOBAL + "defaults:\n  - /hydra/callbacks: x\n",
        "hydra/callbacks/x": "x: {_target_: os.mkdir, path: CANARY}\n",
    },
}


@pytest.fixture
def mine(tmp_path):
    """Writes a user's files; gives their folder."""

    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / "configs" / f"{name}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace("CANARY", str(tmp_path / "canary")))
        return tmp_path / "configs"

    return write


@pytest.mark.parametrize("name", HOSTILE)
def test_no_file_makes_hydra_run_anything(name, mine, call, tmp_path):
    folder = mine(HOSTILE[name])
    for words in (["check"], ["train", "--cfg", "hydra"], ["train", "-m", "seed=1,2"]):
        said = call(*words, "--config-dir", folder, "+exp=mine")
        assert said.code == 2 and said.err.count("\n") == 1, said.err
        assert "hydra" in said.err and "on the command line" in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["configs"]
    with pytest.raises(ConfigError, match="hydra"):
        config.compose(["+exp=mine"], folder)


def test_hydra_would_have_run_them(mine, tmp_path, monkeypatch):
    """The same files without the guard, so that the test above can fail."""
    folder = mine(HOSTILE["callback"])
    kind = SourcesRegistry.instance().types["file"]
    config.compose([])
    monkeypatch.setattr(userfile, "check_file", lambda path, name: None)
    with pytest.warns(UserWarning, match="Callback NoneType"):
        config.run_command(["--config-dir", str(folder), "+exp=mine"], "cvrun train", lambda job: None)
    assert (tmp_path / "canary").is_dir() and kind.load_config.__module__ == "cvrun.userfile"


def test_a_sweep_may_stand_in_a_file(mine):
    folder = mine({"exp/mine": GLOBAL + "hydra: {sweeper: {params: {seed: '1,2'}}}\n"})
    jobs = []
    config.run_command(
        ["-m", "--config-dir", str(folder), "+exp=mine"], "cvrun train", lambda job: jobs.append(job.compose())
    )
    assert [spec.settings.seed for spec in jobs] == [1, 2]


def test_other_packages_and_defaults_are_fine(mine):
    defaults = "defaults: [/exp/digits, x@_global_.optimizer, override /scheduler: plateau, _self_]\n"
    folder = mine({"exp/mine": GLOBAL + defaults + "seed: 7\n", "exp/x": "lr: 0.125\n"})
    spec = config.compose(["+exp=mine"], folder)
    assert spec.settings.seed == 7 and spec.parts["optimizer"].config.lr == 0.125


def test_hostile_yaml_in_a_users_file_is_one_line(mine, call):
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
    folder = mine({"exp/mine": GLOBAL + bomb})
    said = call("check", "--config-dir", folder, "+exp=mine")
    assert said.code == 2 and "more than 10,000 values" in said.err and said.err.count("\n") == 1


def test_a_secret_in_a_users_file_is_refused(mine, call, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "canary-value")
    folder = mine({"exp/mine": GLOBAL + "name: ${oc.env:HF_TOKEN}\n"})
    for words in (["check"], ["train", "--cfg", "job", "--resolve"]):
        said = call(*words, "--config-dir", folder, "+exp=mine")
        assert said.code == 2 and "name: takes the environment variable HF_TOKEN" in said.err
        assert "canary-value" not in said.err + said.out


def test_packaged_files_pass():
    for path in options.config_root().rglob("*.yaml"):
        if path.name != "train.yaml":
            userfile.check_file(path, path.relative_to(options.config_root()).as_posix())


def test_a_saved_configuration_of_somebody_else(tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(config.compose([]).text)
    userfile.check_saved(path)
    path.write_text(config.compose([]).text.replace("name: run", "name: ${oc.env:HF_TOKEN}"))
    with pytest.raises(ConfigError, match=r"spec.yaml: name: takes the environment variable HF_TOKEN"):
        userfile.check_saved(path)

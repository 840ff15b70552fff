"""Row 16: a bad key, value, type or combination: exit code 2, one line with the nearest name, nothing is written."""

import pytest

GLOBAL = "# @package _global_\n"

# What the command line adds to a run that is fine -> what the line says.
WORDS = {
    "optimizer.lrr=0.1": ["optimizer.lrr: unknown key", "did you mean 'lr'?"],
    "+optimizer.lrr=0.1": ["optimizer.lrr: unknown key", "did you mean 'lr'?"],
    "epochs=3": ["epochs: unknown key", "did you mean 'trainer.epochs'?"],
    "trainer.epoch=3": ["trainer.epoch: unknown key", "did you mean 'epochs'?"],
    "optimiser=adam": ["optimiser: unknown key", "did you mean 'optimizer'?"],
    "optimizer=adan": ["optimizer=adan: expected one of", "did you mean 'adam'?"],
    "+optimizer=adam": ["optimizer: chosen twice"],
    "+exp=digts": ["exp=digts: expected one of", "did you mean 'digits'?"],
    "~seed": ["seed: no value, expected a whole number"],
    "trainer.epochs=null": ["trainer.epochs=null: expected a whole number"],
    "trainer.epochs=0": ["trainer.epochs=0: expected epochs >= 1"],
    "trainer.epochs=2.5": ["trainer.epochs=2.5: expected a whole number"],
    "trainer.epochs=12:30:00": ["trainer.epochs", "expected a whole number"],
    "trainer.epochs=0o17": ["trainer.epochs='0o17': expected a whole number; write 15"],
    "trainer.epochs=true": ["trainer.epochs=true: expected a whole number", "YAML reads yes, no"],
    "seed=1e3": ["seed=1000.0: expected a whole number; write 1000"],
    "seed=-1": ["seed=-1: expected 0 <= seed < 2**63"],
    "name=2024": ["name=2024: expected text", "needs quotes"],
    "name=false": ["name=false: expected text", "YAML reads yes, no"],
    "name=a/b": ["name=a/b: expected letters, digits"],
    "rerun=1": ["rerun=1: expected true or false"],
    "optimizer.lr=fast": ["optimizer.lr='fast': expected a number"],
    "optimizer.lr=-1": ["optimizer.lr=-1.0: expected lr > 0"],
    "optimizer.lr=nan": ["optimizer.lr=nan: expected"],
    "trainer.eval_every=5": ["trainer.eval_every=5: expected a number with a unit: 5ep"],
    "trainer.eval_every=5min": ["trainer.eval_every", "5ep"],
    "trainer.precision=fp8": ["trainer.precision=fp8: expected one of", "did you mean 'fp32'?"],
    "device=gpu": ["device=gpu: expected auto, cpu, cuda"],
    "monitor.metric=test/accuracy": [
        "monitor.metric=test/accuracy: expected",
        "the test split may not choose anything",
    ],
    "monitor.metric=val/acuracy": ["monitor.metric=val/acuracy: expected one of", "did you mean 'val/accuracy'?"],
    "monitor.metric=val/ema/accuracy": ["needs trainer.ema_decay > 0"],
    "scheduler.warmup=9st": ["scheduler.warmup=9st: is 9 of 9 steps, expected fewer"],
    "scheduler.warmup=50": ["scheduler.warmup=50: expected a number with a unit"],
    "trainer.batch_size=29": ["trainer.batch_size=29: expected at most the 28 training images"],
    "trainer.accumulate=9": ["trainer.accumulate=9: expected a number of parts that is not above trainer.batch_size"],
    "split.val=0.9": ["split."],
    "model.head=drop": ["model.head=drop: expected one of keep, reset, remap"],
    "model.weights=gone.pt": ["model.weights=gone.pt: no such file"],
    "model.weights=w.onnx": ["model.weights=w.onnx: expected a file that ends with .safetensors"],
    "name=${oc.env:HF_TOKEN}": ["name: takes the environment variable HF_TOKEN, whose name is that of a secret"],
    "name=${gone}": ["name: Interpolation key 'gone' not found"],
    "+model._target_=os.system": ["model._target_: unknown key"],
    "--epochs=3": ["--epochs=3: unknown flag", "did you mean 'trainer.epochs=...'?"],
    "--experimental-rerun=x.pkl": ["--experimental-rerun: refused, it runs code out of a file"],
}

# A user's experiment -> what the line says.
FILES = {
    "optimizer:\n  lrr: 0.1\n": ["optimizer.lrr: unknown key", "did you mean 'lr'?"],
    "optimiser:\n  lr: 0.1\n": ["optimiser: unknown key", "did you mean 'optimizer'?"],
    "name: no\n": ["name=false: expected text", "YAML reads yes, no, on and off as true or false"],
    "trainer:\n  epochs: 12:30:00\n": ["mine.yaml, line 3", "12:30:00 is the number 45000 in YAML, quote it"],
    "seed: 010\n": ["mine.yaml, line 2", "010 is the number 8 in YAML"],
    "seed: 0o17\n": ["seed='0o17': expected a whole number; write 15"],
    "seed: 1e3\n": ["seed=1000.0: expected a whole number; write 1000"],
    "seed: yes\n": ["seed=true: expected a whole number"],
    "seed:\n": ["seed=null: expected a whole number"],
    "seed: 1\nseed: 2\n": ["mine.yaml, line 3", "duplicate key seed"],
    "seed: [1\n": ["mine.yaml, line 3: not YAML"],
    "trainer: 3\n": ["trainer"],
    "defaults:\n  - override /scheduler: cosin\n": ["scheduler=cosin: expected one of", "did you mean 'cosine'?"],
    "model:\n  _target_: os.system\n": ["model._target_: unknown key"],
    "hydra: {callbacks: {x: {_target_: os.mkdir, path: sprung}}}\n": ["hydra.callbacks: refused"],
    "a: &a [*a]\n": ["mine.yaml, line 2", "*a stands inside what it means"],
}


def refused(said, parts) -> None:
    assert said.code == 2 and said.out == ""
    assert said.err.startswith("cvrun train: ") and said.err.endswith("\n") and said.err.count("\n") == 1
    assert "internal error" not in said.err
    assert [part for part in parts if part not in said.err] == [], said.err


@pytest.mark.parametrize("word", WORDS)
def test_a_word_of_the_command_line(word, words, call, tmp_path, monkeypatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    refused(call(*words, word), WORDS[word])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", FILES)
def test_a_file_of_the_user(text, words, call, tmp_path):
    (tmp_path / "configs" / "exp").mkdir(parents=True)
    (tmp_path / "configs" / "exp" / "mine.yaml").write_text(GLOBAL + text)
    # An experiment is the last word on what the command line does not say.
    kept = [word for word in words if not word.startswith(("name=", "trainer.epochs="))]
    refused(call(*kept, "--config-dir", tmp_path / "configs", "+exp=mine"), FILES[text])
    assert [path.name for path in tmp_path.iterdir()] == ["configs"]


def test_the_run_without_these_is_fine(words, call):
    assert call("check", *words[1:]).code == 0


def test_the_table_is_long():
    assert len(WORDS) + len(FILES) >= 30

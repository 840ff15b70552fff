"""plan.yaml as it is read again. What a damaged one does to commands is in tests/faults/test_security.py."""

import pytest
import yaml

from cvrun import config
from cvrun.command._saved_plan import read_plan
from cvrun.errors import ConfigError
from cvrun.folder import RunFolder
from cvrun.prepare import prepare


@pytest.fixture
def text(tmp_path) -> str:
    words = ["trainer.batch_size=300", "model.width=4"]
    return prepare(config.compose(words), RunFolder(tmp_path)).plan.to_yaml()


def test_what_a_run_writes_comes_back(text, tmp_path):
    (tmp_path / "plan.yaml").write_text(text)
    assert read_plan(tmp_path / "plan.yaml") == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("precision: fp32", "precision: auto", "^training.precision: expected one of fp32, bf16, fp16$"),
        ("warmup_steps: 0", "warmup_steps: 4000", "^training.warmup_steps: expected fewer"),
        ("warmup_steps: 0", "warmup_steps: true", "^training.warmup_steps: expected a number of steps"),
        ("lr: 0.1", "lr: .nan", "^training.lr: expected a number above 0"),
        ("run_id: ", "run: ", "^run_id: expected text"),
        ("training:", "training: [", "^line .*not YAML"),
    ],
)
def test_one_of_the_wrong_kind_is_refused(text, tmp_path, before, after, message):
    assert before in text
    (tmp_path / "plan.yaml").write_text(text.replace(before, after))
    with pytest.raises(ConfigError, match=message):
        read_plan(tmp_path / "plan.yaml")

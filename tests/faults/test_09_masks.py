"""Row 9: there is no segmentation task yet: asking for it is refused with the tasks there are, nothing is written."""

import json

from cvrun import options


def test_a_task_that_does_not_exist_is_refused_by_name(call, words, tmp_path):
    for command in ("check", "train"):
        said = call(command, *words[1:], "task=segmentation")
        assert said.code == 2
        assert said.err.startswith(f"cvrun {command}: task=segmentation: expected one of classification")
        assert len(said.err.splitlines()) == 1
    assert not (tmp_path / "outputs").exists()


def test_the_tasks_that_are_named_are_those_that_there_are(call):
    # When a task with masks comes, the row's own test takes the place of these two.
    assert list(options.choices("task")) == ["classification", "multilabel"]
    assert "segmentation" not in json.dumps(call("options").out)

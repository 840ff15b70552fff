"""Row 17: weights of another model: exit code 4; what is missing, unexpected, of another shape, and how many fit."""

import shutil

import pytest
import torch
from foreign import change, commits

from cvrun import config, options
from cvrun.model import Shape
from cvrun.tensorfile import write_safetensors


def weights(words, *more) -> dict[str, torch.Tensor]:
    """The initial weights of a run."""
    choice = config.compose([*words[1:], *more]).parts["model"]
    torch.manual_seed(0)
    return options.build("model", choice.option, choice.config, Shape(3, 20, 4), False).state_dict()


def test_a_file_of_the_same_model_is_taken(words, call, tmp_path):
    (tmp_path / "w.safetensors").write_bytes(write_safetensors(weights(words), {}))
    assert call(*words, f"model.weights={tmp_path}/w.safetensors", "trainer.epochs=1").code == 0


def test_a_wider_model(words, call, tmp_path):
    torch.save(weights(words, "model.width=8"), tmp_path / "w.pt")
    said = call(*words, f"model.weights={tmp_path}/w.pt")
    assert said.code == 4 and said.err.count("\n") == 1
    num = len(weights(words))
    # What depends on the width is all but the counters of the nine normalizations and the head's bias.
    assert f"10 of {num} tensors fit; {num - 10} of another shape (stem.0.weight, stem.1.weight, " in said.err
    assert said.err.partition("of another shape (")[2].partition(", ...)")[0].count(",") == 9


def test_a_deeper_model(words, call, tmp_path):
    deeper = weights(words, "model.blocks=[1,1,1,1]")
    torch.save(deeper, tmp_path / "w.pt")
    said = call(*words, f"model.weights={tmp_path}/w.pt")
    own = weights(words)
    extra = [name for name in deeper if name not in own]
    assert said.code == 4
    assert f"{len(own) - 1} of {len(own)} tensors fit; {len(extra)} unexpected ({', '.join(extra[:10])}" in said.err
    assert "1 of another shape (head.weight)" in said.err


def test_a_file_of_which_nothing_fits(words, call, tmp_path):
    torch.save({f"layer{i}": torch.zeros(3) for i in range(12)}, tmp_path / "w.pt")
    said = call(*words, f"model.weights={tmp_path}/w.pt")
    num = len(weights(words))
    assert said.code == 4
    assert f"0 of {num} tensors fit" in said.err
    assert (
        "12 unexpected (layer0, layer1, layer2, layer3, layer4, layer5, layer6, layer7, layer8, layer9, ...)"
        in said.err
    )


@pytest.mark.parametrize("command", [["resume"], ["eval", "--checkpoint", "last"]])
def test_a_checkpoint_with_the_weights_of_another_model(command, whole, words, call, tmp_path):
    run = shutil.copytree(whole, tmp_path / "run")
    (run / "status.json").write_text('{"state": "interrupted", "step": 9, "seconds": 1.0, "score": null}')
    own, other = weights(words), weights(words, "model.blocks=[1,1,1,1]")
    for commit in commits(run, "step"):
        change(commit, lambda content: content["state"].update(model=other))
    said = call(command[0], run, *command[1:])
    assert said.code == 4, said.err
    assert f"{len(own) - 1} of {len(own)} tensors fit" in said.err and "1 of another shape (head.weight)" in said.err

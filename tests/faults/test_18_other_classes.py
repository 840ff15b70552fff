"""Row 18: other classes, or another order: refused; weights by class name, or without a head, only if asked for."""

import json
import shutil

import pytest
import torch
from foreign import change, commits

from cvrun.model import Shape, convnet
from cvrun.tensorfile import load_into, write_safetensors

PERMUTED = ["ant", "cat", "bee", "dog"]


def interrupted(whole, tmp_path):
    run = shutil.copytree(whole, tmp_path / "run")
    (run / "status.json").write_text('{"state": "interrupted", "step": 9, "seconds": 1.0, "score": null}')
    return run


@pytest.mark.parametrize("classes", [PERMUTED, ["ant", "bee", "cat", "elk"], ["ant", "bee", "cat"]])
def test_a_checkpoint_of_other_classes(classes, whole, call, tmp_path):
    run = interrupted(whole, tmp_path)
    for commit in commits(run, "step"):
        change(commit, lambda content: content["meta"].update(classes=classes))
    said = call("resume", run)
    assert said.code == 4, said.err
    first = next(i for i, name in enumerate(["ant", "bee", "cat", "dog"]) if classes[i : i + 1] != [name])
    theirs = classes[first] if first < len(classes) else "nothing"
    assert f"its classes is '{theirs}' at {first}, expected '{['ant', 'bee', 'cat', 'dog'][first]}'" in said.err


@pytest.fixture
def file(tmp_path):
    """A network for some classes, in a file as cvrun writes it; gives the network and the word that names the file."""

    def write(classes):
        torch.manual_seed(3)
        config = convnet.Config(4, (1, 1, 1), False, 0.0, None, "keep")
        model = convnet.build(config, Shape(3, 20, len(classes)), False)
        path = tmp_path / "best.safetensors"
        path.write_bytes(write_safetensors(model.state_dict(), {"classes": json.dumps(classes)}))
        return model, f"model.weights={path}"

    return write


def test_the_same_classes_are_taken(words, call, file):
    said = call(*words, file(["ant", "bee", "cat", "dog"])[1], "trainer.epochs=1")
    assert said.code == 0, said.err


@pytest.mark.parametrize(
    ("classes", "parts"),
    [
        (PERMUTED, ["in another order (number 1 is cat there and bee here)"]),
        (["ant", "bee", "cat", "elk"], ["not those of the data (only there: elk; only here: dog)"]),
        (["ant", "bee", "cat"], ["not those of the data (only there: none; only here: dog)"]),
    ],
)
def test_other_classes_are_refused_unless_asked(classes, parts, words, call, file):
    model, word = file(classes)
    said = call(*words, word)
    assert said.code == 4 and said.err.count("\n") == 1
    assert [part for part in [*parts, "model.head=remap", "model.head=reset"] if part not in said.err] == [], said.err
    for head in ("remap", "reset"):
        said = call(*words, word, f"model.head={head}", "trainer.epochs=1")
        assert said.code == 0, said.err


def test_a_remapped_network_gives_each_class_what_it_had(tmp_path, file):
    model, word = file(PERMUTED)
    config = convnet.Config(4, (1, 1, 1), False, 0.0, word.partition("=")[2], "remap")
    mine = convnet.build(config, Shape(3, 20, 4, ("ant", "bee", "cat", "dog")), True)
    images = torch.rand(5, 3, 20, 20)
    torch.testing.assert_close(mine.eval()(images), model.eval()(images)[:, [0, 2, 1, 3]])
    with pytest.raises(AssertionError):
        load_into(mine, model.state_dict(), "x")
        torch.testing.assert_close(mine.eval()(images), model.eval()(images)[:, [0, 2, 1, 3]])


def test_a_head_of_another_size_without_names_is_refused(words, call, tmp_path):
    config = convnet.Config(4, (1, 1, 1), False, 0.0, None, "keep")
    torch.save(convnet.build(config, Shape(3, 20, 7), False).state_dict(), tmp_path / "w.pt")
    word = f"model.weights={tmp_path}/w.pt"
    said = call(*words, word)
    assert said.code == 4
    assert "the classifier is for 7 classes, the model's is for 4; model.head=reset draws a new one" in said.err
    assert call(*words, word, "model.head=reset", "trainer.epochs=1").code == 0

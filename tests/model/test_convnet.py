import dataclasses

import pytest
import torch

from cvrun.errors import CheckpointError, ConfigError, RuleError
from cvrun.model import Shape, convnet
from cvrun.tensorfile import write_safetensors

SMALL = convnet.Config(width=4, blocks=(1, 1, 1), stem_pool=False, drop_rate=0.0, weights=None, head="keep")


@pytest.mark.parametrize("stem_pool", [False, True])
@pytest.mark.parametrize("size", [4, 5, 7, 8, 33])
def test_any_size_trains_even_with_one_image(size, stem_pool):
    model = convnet.build(dataclasses.replace(SMALL, stem_pool=stem_pool), Shape(1, size, 3), False)
    loss = model(torch.randn(1, 1, size, size)).square().sum()
    loss.backward()
    assert loss.isfinite()


def test_smaller_images_are_refused():
    with pytest.raises(ConfigError, match="data.size=3: expected at least 4 pixels"):
        convnet.build(SMALL, Shape(3, 3, 10), False)


def test_number_of_parameters():
    model = convnet.build(SMALL, Shape(3, 32, 10), False)
    # Stem 3*4*9 + 8; blocks (9*i*o + 2o) + (9*o*o + 2o) [+ i*o + 2o]: 4->4, 4->8, 8->16; head 16*10 + 10.
    expected = 116 + (304) + (304 + 592 + 48) + (1184 + 2336 + 160) + 170
    assert sum(parameter.numel() for parameter in model.parameters()) == expected


def test_a_block_begins_as_the_identity():
    block = convnet.Block(4, 4, 1).eval()
    x = torch.rand(2, 4, 6, 6)
    assert torch.equal(block(x), x)


def test_each_stage_after_the_first_halves_the_resolution_and_doubles_the_width():
    model = convnet.build(dataclasses.replace(SMALL, blocks=(2, 1, 1)), Shape(3, 32, 10), False)
    assert model.stages(model.stem(torch.zeros(1, 3, 32, 32))).shape == (1, 16, 8, 8)
    pooled = convnet.build(dataclasses.replace(SMALL, stem_pool=True), Shape(3, 32, 10), False)
    assert pooled.stages(pooled.stem(torch.zeros(1, 3, 32, 32))).shape == (1, 16, 4, 4)


def test_dropout_acts_in_training_alone():
    model = convnet.build(dataclasses.replace(SMALL, drop_rate=0.5), Shape(1, 8, 3), False)
    image = torch.randn(8, 1, 8, 8)
    assert not torch.equal(model(image), model(image))
    model.eval()
    assert torch.equal(model(image), model(image))


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("width", 0, "width >= 1"),
        ("blocks", (), "at least one stage"),
        ("blocks", (1, 0), "at least one stage"),
        ("drop_rate", 1.0, "0 <= drop_rate < 1"),
    ],
)
def test_values_out_of_range_are_refused(key, value, rule):
    with pytest.raises(RuleError, match=f"{key}=.*: expected {rule}"):
        dataclasses.replace(SMALL, **{key: value})


def from_file(tmp_path, classes, head="keep"):
    """A network that begins from a file of cvrun's for ant, bee, cat; beside it the network of that file."""
    torch.manual_seed(0)
    source = convnet.build(SMALL, Shape(3, 8, 3), False)
    path = tmp_path / "best.safetensors"
    path.write_bytes(write_safetensors(source.state_dict(), {"classes": '["ant", "bee", "cat"]'}))
    config = dataclasses.replace(SMALL, weights=str(path), head=head)
    return convnet.build(config, Shape(3, 8, len(classes), tuple(classes)), True), source


def test_weights_of_an_earlier_training_are_the_same_model(tmp_path):
    model, source = from_file(tmp_path, ["ant", "bee", "cat"])
    image = torch.rand(2, 3, 8, 8)
    assert torch.equal(model.eval()(image), source.eval()(image))


def test_the_classifier_follows_the_names_of_the_classes(tmp_path):
    model, source = from_file(tmp_path, ["cat", "ant"], "remap")
    image = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(model.eval()(image), source.eval()(image)[:, [2, 0]])


def test_weights_for_other_classes_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="classes are in another order"):
        from_file(tmp_path, ["bee", "ant", "cat"])


def test_the_file_is_not_read_when_a_checkpoint_follows():
    config = dataclasses.replace(SMALL, weights="gone.pt")
    assert convnet.build(config, Shape(3, 8, 3), False)(torch.zeros(1, 3, 8, 8)).shape == (1, 3)
    with pytest.raises(ConfigError, match=r"model.weights=gone.pt: no such file"):
        convnet.build(config, Shape(3, 8, 3), True)

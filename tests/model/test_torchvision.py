import dataclasses

import pytest
import torch
import torchvision as library

from cvrun.errors import CheckpointError, ConfigError, RuleError
from cvrun.model import Shape, _download, torchvision

PLAIN = torchvision.Config(name="shufflenet_v2_x0_5", pretrained=False, weights=None, head="keep", drop_rate=None)
RGB = Shape(3, 32, 7)


def source(num_classes: int = 1000, name: str = PLAIN.name):
    torch.manual_seed(5)
    return library.models.get_model(name, weights=None, num_classes=num_classes)


def with_weights(tmp_path, model, name: str = PLAIN.name, head: str = "keep") -> torchvision.Config:
    torch.save(model.state_dict(), tmp_path / "w.pth")
    return dataclasses.replace(PLAIN, name=name, weights=str(tmp_path / "w.pth"), head=head)


def test_an_unknown_name_gives_the_nearest():
    with pytest.raises(ConfigError, match="model.name=resnet81: expected a classification.*did you mean .*resnet"):
        torchvision.build(dataclasses.replace(PLAIN, name="resnet81"), RGB, False)


@pytest.mark.parametrize("name", ["fcn_resnet50", "fasterrcnn_resnet50_fpn", "r3d_18", "raft_small"])
def test_models_of_other_tasks_are_refused(name):
    with pytest.raises(ConfigError, match="expected a classification model of torchvision"):
        torchvision.build(dataclasses.replace(PLAIN, name=name), RGB, False)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("name", "size"), [("googlenet", 64), ("inception_v3", 96), ("vit_b_32", 64), ("squeezenet1_1", 64)]
)
def test_the_output_is_logits_in_training_too(name, size, channels):
    with torch.device("meta"):
        config = dataclasses.replace(PLAIN, name=name)
        model = torchvision.build(config, Shape(channels, size, 7), False).train()
        assert model(torch.empty(2, channels, size, size)).shape == (2, 7)


def test_a_regnet_has_shapes_without_memory():
    with torch.device("meta"):
        model = torchvision.build(dataclasses.replace(PLAIN, name="regnet_y_400mf"), RGB, False)
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}


def test_a_size_that_the_model_cannot_take_is_an_error():
    with pytest.raises(ConfigError, match="model.name=maxvit_t: torchvision cannot build it for images of 64 pixels"):
        torchvision.build(dataclasses.replace(PLAIN, name="maxvit_t"), Shape(3, 64, 7), False)


def dropouts(name: str, drop_rate: float | None) -> list[float]:
    with torch.device("meta"):
        model = torchvision.build(dataclasses.replace(PLAIN, name=name, drop_rate=drop_rate), Shape(3, 64, 7), False)
    return [module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)]


def test_dropout():
    # torchvision's own value for mobilenet_v2 is .2.
    assert [dropouts("mobilenet_v2", rate) for rate in (None, 0.0, 0.4)] == [[0.2], [0.0], [0.4]]
    assert dropouts("resnet18", 0.0) == []
    with pytest.raises(ConfigError, match="model.drop_rate=0.4: expected null or 0, resnet18 has no"):
        dropouts("resnet18", 0.4)
    with pytest.raises(RuleError, match="drop_rate=1.0: expected 0 <= drop_rate < 1, or null"):
        dataclasses.replace(PLAIN, drop_rate=1.0)


def test_statistics():
    assert torchvision.pretrained_statistics(PLAIN) is None
    imagenet = torchvision.pretrained_statistics(dataclasses.replace(PLAIN, pretrained=True))
    assert tuple(map(tuple, imagenet)) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert torchvision.pretrained_statistics(dataclasses.replace(PLAIN, weights="w.pt")) == imagenet
    # These two turn ImageNet's statistics into one half inside the model, which cvrun leaves out.
    half = torchvision.pretrained_statistics(dataclasses.replace(PLAIN, name="googlenet", pretrained=True))
    assert half == ((0.5,) * 3, (0.5,) * 3)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["shufflenet_v2_x0_5", "squeezenet1_1", "mobilenet_v3_small"])
def test_the_head_of_a_local_file_with_other_classes_is_drawn_anew_when_that_was_asked_for(tmp_path, name, channels):
    model = source(name=name, num_classes=5)
    shape = Shape(channels, 64, 7)
    torch.manual_seed(9)
    initial = torchvision.build(dataclasses.replace(PLAIN, name=name), shape, True)
    torch.manual_seed(9)
    built = torchvision.build(with_weights(tmp_path, model, name, "reset"), shape, True)
    head = torchvision._head(built)
    assert torch.equal(built.get_submodule(head).weight, initial.get_submodule(head).weight)
    expected = model.state_dict()
    first = torchvision._first_conv(built)
    summed = expected[f"{first}.weight"].sum(dim=1, keepdim=True) if channels == 1 else expected[f"{first}.weight"]
    torch.testing.assert_close(built.get_submodule(first).weight, summed)
    others = [key for key in expected if not key.startswith((head, first))]
    assert len(others) > 20
    assert all(torch.equal(built.state_dict()[key], expected[key]) for key in others)


def test_weights_of_googlenet_with_auxiliary_classifiers(tmp_path):
    model = library.models.googlenet(weights=None, num_classes=7, aux_logits=True, init_weights=False).eval()
    built = torchvision.build(with_weights(tmp_path, model, "googlenet"), Shape(3, 64, 7), True).eval()
    image = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(built(image), model(image))


def test_weights_of_another_model_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"not those of the model: \d+ of 52 tensors fit; \d+ missing"):
        torchvision.build(with_weights(tmp_path, source(), "squeezenet1_1"), RGB, True)


def test_the_address_of_the_best_weights_is_asked_for(tmp_path, monkeypatch):
    model = source()
    path = with_weights(tmp_path, model).weights

    def answer(url, name):
        assert url == "https://download.pytorch.org/models/shufflenetv2_x0.5-f707e7126e.pth"
        return path

    monkeypatch.setattr(_download, "from_url", answer)
    built = torchvision.build(dataclasses.replace(PLAIN, pretrained=True), RGB, True)
    assert torch.equal(built.conv1[0].weight, model.conv1[0].weight)


def test_an_unreachable_server_is_one_line(tmp_path, monkeypatch):
    import urllib.error
    import urllib.request

    def fail(*args, **kwargs):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", fail)
    with pytest.raises(ConfigError, match="no weights of shufflenet_v2_x0_5.*model.weights=FILE") as caught:
        torchvision.build(dataclasses.replace(PLAIN, pretrained=True), RGB, True)
    assert "\n" not in str(caught.value)


def test_pretrained_weights_are_not_looked_for_when_a_checkpoint_follows(monkeypatch):
    monkeypatch.setattr(_download, "from_url", lambda *args: pytest.fail("no download is expected"))
    config = dataclasses.replace(PLAIN, pretrained=True, weights="gone.pt")
    assert torchvision.build(config, RGB, False) is not None


def test_a_head_for_other_classes_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="is for 5 classes, the model's is for 7; model.head=reset"):
        torchvision.build(with_weights(tmp_path, source(5)), RGB, True)

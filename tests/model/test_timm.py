import dataclasses

import pytest
import timm as library
import torch
from safetensors.torch import save_file

from cvrun.errors import CheckpointError, ConfigError, RuleError
from cvrun.model import Shape, _download, timm
from cvrun.rng import seed_all

PLAIN = timm.Config(name="test_resnet", pretrained=False, weights=None, head="keep", drop_rate=0.0, drop_path_rate=0.0)
RGB = Shape(3, 32, 7)


def source(name: str, channels: int = 3, num_classes: int = 5, **options):
    """A model of timm whose weights stand for those of an earlier training."""
    torch.manual_seed(5)
    return library.create_model(name, in_chans=channels, num_classes=num_classes, **options)


def with_weights(tmp_path, model, name: str = "test_resnet", head: str = "keep") -> timm.Config:
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, tmp_path / "w.safetensors")
    return dataclasses.replace(PLAIN, name=name, weights=str(tmp_path / "w.safetensors"), head=head)


def test_an_unknown_name_gives_the_nearest():
    with pytest.raises(ConfigError, match="model.name=resnet81: expected a model of timm; did you mean .*resnet18"):
        timm.build(dataclasses.replace(PLAIN, name="resnet81"), RGB, False)
    with pytest.raises(ConfigError, match="expected a model of timm"):
        timm.pretrained_statistics(dataclasses.replace(PLAIN, name="resnet81"))


def test_an_unknown_tag_gives_the_known():
    with pytest.raises(ConfigError, match="timm's resnet18 has no weights 'a9_in1k'; did you mean .*resnet18.a1_in1k"):
        timm.build(dataclasses.replace(PLAIN, name="resnet18.a9_in1k"), RGB, False)


def test_a_vision_transformer_is_built_for_the_size_of_the_images():
    model = timm.build(dataclasses.replace(PLAIN, name="test_vit"), Shape(1, 48, 7), False)
    # 48 / 16 = 3 patches each way, and the class token.
    assert model.pos_embed.shape[1] == 3 * 3 + 1
    assert model(torch.zeros(2, 1, 48, 48)).shape == (2, 7)


def test_rates_reach_the_model():
    model = timm.build(dataclasses.replace(PLAIN, name="test_vit", drop_rate=0.3, drop_path_rate=0.2), RGB, False)
    assert model.head_drop.p == 0.3
    assert max(getattr(module, "drop_prob", 0.0) or 0.0 for module in model.modules()) == pytest.approx(0.2)


def test_a_rate_that_the_model_does_not_have_is_an_error():
    with pytest.raises(ConfigError, match=r"model.drop_path_rate=0.1: expected 0, vgg11 has no drop_path_rate"):
        timm.build(dataclasses.replace(PLAIN, name="vgg11", drop_path_rate=0.1), RGB, False)


@pytest.mark.parametrize("key", ["drop_rate", "drop_path_rate"])
def test_rates_out_of_range_are_refused(key):
    with pytest.raises(RuleError, match=f"{key}=1.0: expected 0 <= {key} < 1"):
        dataclasses.replace(PLAIN, **{key: 1.0})


def test_a_model_without_pretrained_weights_is_an_error():
    name = next(n for n in library.list_models("*resnet*") if not library.models.get_pretrained_cfg(n).has_weights)
    with pytest.raises(ConfigError, match=f"model.pretrained=true: timm has no weights of {name}, expected"):
        timm.build(dataclasses.replace(PLAIN, name=name, pretrained=True), RGB, True)


def test_statistics():
    assert timm.pretrained_statistics(PLAIN) is None
    # timm's configuration of resnet18: ImageNet's statistics; of vit_tiny_patch16_224: one half.
    imagenet = timm.pretrained_statistics(dataclasses.replace(PLAIN, name="resnet18", pretrained=True))
    assert imagenet == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    half = timm.pretrained_statistics(dataclasses.replace(PLAIN, name="vit_tiny_patch16_224", weights="w.pt"))
    assert half == ((0.5,) * 3, (0.5,) * 3)


def test_pretrained_weights_are_not_looked_for_when_a_checkpoint_follows(monkeypatch):
    monkeypatch.setattr(_download, "from_hub", lambda *args: pytest.fail("no download is expected"))
    config = dataclasses.replace(PLAIN, pretrained=True, weights="gone.pt")
    assert timm.build(config, RGB, False)(torch.zeros(2, 3, 32, 32)).shape == (2, 7)


def test_the_hub_is_asked_for_the_weights_of_the_name(monkeypatch, tmp_path):
    model = source("test_resnet", num_classes=1000)
    path = with_weights(tmp_path, model).weights

    def answer(repository, names, name):
        assert (repository, names, name) == ("timm/test_resnet.r160_in1k", timm.HUB_FILES, "test_resnet")
        return path

    monkeypatch.setattr(_download, "from_hub", answer)
    built = timm.build(dataclasses.replace(PLAIN, pretrained=True), RGB, True)
    assert torch.equal(built.conv1[0].weight, model.conv1[0].weight)


def test_an_unreachable_hub_is_one_line(monkeypatch, tmp_path):
    import huggingface_hub

    # Nothing listens on port 9, so the real request fails with or without the internet.
    real, asked = huggingface_hub.get_hf_file_metadata, []

    def ask(url, timeout):
        asked.append(timeout)
        return real("http://127.0.0.1:9/nothing", timeout=timeout)

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", ask)
    with pytest.raises(ConfigError, match="no weights of test_resnet, neither in the cache.*model.weights=FILE") as e:
        timm.build(dataclasses.replace(PLAIN, pretrained=True), RGB, True)
    assert asked == [_download.PATIENCE]
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_convnext"])
def test_the_head_of_a_local_file_with_other_classes_is_drawn_anew_when_that_was_asked_for(tmp_path, name, channels):
    model = source(name, num_classes=5, **({"img_size": 32} if name == "test_vit" else {}))
    seed_all(3)
    config = dataclasses.replace(PLAIN, name=name)
    initial = timm.build(config, Shape(channels, 32, 7), True).get_classifier().weight
    seed_all(3)
    built = timm.build(with_weights(tmp_path, model, name, "reset"), Shape(channels, 32, 7), True).eval()
    assert torch.equal(built.get_classifier().weight, initial)
    image = torch.rand(2, 1, 32, 32)
    features = built.forward_features(image.expand(-1, channels, -1, -1))
    expected = model.eval().forward_features(image.expand(-1, 3, -1, -1))
    torch.testing.assert_close(features, expected, rtol=1e-3, atol=1e-4)


def test_a_local_file_with_the_same_classes_is_the_same_model(tmp_path):
    model = source("test_resnet", num_classes=7).eval()
    built = timm.build(with_weights(tmp_path, model), RGB, True).eval()
    image = torch.rand(2, 3, 32, 32)
    assert torch.equal(built(image), model(image))


@pytest.mark.parametrize("num_classes", [7, 5])
def test_positions_are_resized_for_another_image_size(tmp_path, num_classes):
    model = source("test_vit", num_classes=num_classes, img_size=32)
    seed_all(3)
    initial = timm.build(dataclasses.replace(PLAIN, name="test_vit"), Shape(3, 64, 7), True).head.weight
    seed_all(3)
    how = "keep" if num_classes == 7 else "reset"
    built = timm.build(with_weights(tmp_path, model, "test_vit", how), Shape(3, 64, 7), True)
    assert built.pos_embed.shape[1] == 4 * 4 + 1
    assert torch.equal(built.patch_embed.proj.weight, model.patch_embed.proj.weight)
    assert torch.equal(built.head.weight, model.head.weight if num_classes == 7 else initial)
    assert built(torch.zeros(2, 3, 64, 64)).shape == (2, 7)


@pytest.mark.parametrize("target", ["test_resnet", "test_vit", "test_convnext", "dla46_c"])
def test_weights_of_another_model_are_refused(tmp_path, target):
    config = with_weights(tmp_path, source("test_efficientnet"), target)
    with pytest.raises(
        CheckpointError,
        match=r"those of the model: \d+ of \d+ (tensors fit; \d+|are) missing \(",
    ):
        timm.build(config, RGB, True)


def test_a_missing_and_a_damaged_file(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        timm.build(dataclasses.replace(PLAIN, weights=str(tmp_path / "no.pt")), RGB, True)
    (tmp_path / "bad.safetensors").write_bytes(b"bad")
    with pytest.raises(CheckpointError, match="cannot be read"):
        timm.build(dataclasses.replace(PLAIN, weights=str(tmp_path / "bad.safetensors")), RGB, True)


@pytest.mark.parametrize(("name", "size"), [("test_resnet", 32), ("test_vit", 64)])
def test_a_head_for_other_classes_is_refused(tmp_path, name, size):
    model = source(name, num_classes=5, **({"img_size": 32} if name == "test_vit" else {}))
    said = "is for 5 classes, the model's is for 7; model.head=reset" if size == 32 else r"of another shape \(.*head"
    with pytest.raises(CheckpointError, match=said):
        timm.build(with_weights(tmp_path, model, name), Shape(3, size, 7), True)


def test_weights_without_a_head_are_refused(tmp_path):
    model = source("test_vit", num_classes=0, img_size=32)
    for size in (32, 64):
        with pytest.raises(CheckpointError, match="head"):
            timm.build(with_weights(tmp_path, model, "test_vit"), Shape(3, size, 7), True)
        seed_all(3)
        initial = timm.build(dataclasses.replace(PLAIN, name="test_vit"), Shape(3, size, 7), True).head.weight
        seed_all(3)
        built = timm.build(with_weights(tmp_path, model, "test_vit", "reset"), Shape(3, size, 7), True)
        assert torch.equal(built.head.weight, initial)

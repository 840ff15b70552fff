import pytest
import torch
from torch import nn

from cvrun.command._features import caught
from cvrun.errors import ConfigError


class Net(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, image):
        return self.layers(image)


def test_the_input_of_the_last_linear_layer_of_every_batch():
    body = nn.Sequential(nn.Flatten(), nn.Linear(12, 3), nn.ReLU())
    model = Net(body, nn.Linear(3, 3)).eval()
    batches = torch.randn(3, 4, 3, 2, 2).unbind()
    with caught(model, 3) as features, torch.inference_mode():
        outputs = [model(batch) for batch in batches]
        expected = torch.cat([body(batch) for batch in batches])
    assert torch.equal(torch.from_numpy(features.rows()), expected)
    assert [tuple(output.shape) for output in outputs] == [(4, 3)] * 3
    assert not any(layer._forward_pre_hooks or layer._forward_hooks for layer in model.modules())


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "mobilenetv3_small_050", "convnext_atto"])
def test_timm_models_have_such_a_head(name):
    import timm

    model = timm.create_model(name, num_classes=5).eval()
    with caught(model, 5) as features, torch.inference_mode():
        image = torch.randn(2, 3, 224, 224)
        output = model(image)
    assert features.rows().shape == (2, model.get_classifier().in_features)
    assert torch.allclose(model.get_classifier()(torch.from_numpy(features.rows())), output, atol=1e-5)


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "vgg11", "shufflenet_v2_x0_5"])
def test_torchvision_models_have_such_a_head(name):
    import torchvision

    model = torchvision.models.get_model(name, num_classes=5).eval()
    with caught(model, 5) as features, torch.inference_mode():
        output = model(torch.randn(2, 3, 64, 64))
    head = [layer for layer in model.modules() if isinstance(layer, nn.Linear)][-1]
    assert torch.allclose(head(torch.from_numpy(features.rows())), output, atol=1e-5)


def test_a_model_without_one_says_so():
    convolution = Net(nn.Conv2d(3, 5, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(ConfigError, match="no linear layer as its head"), caught(convolution, 5):
        pass


def test_a_head_that_sees_more_than_one_row_an_image_is_none():
    model = Net(nn.Flatten(2), nn.Linear(4, 5))
    with pytest.raises(ConfigError, match="no linear layer as its head"), caught(model, 5):
        model(torch.randn(2, 3, 2, 2))
    assert not model._forward_hooks

import pytest
import torch

from cvrun.errors import ConfigError
from cvrun.normalize import Affine, Source, model


def source(channels, pretrained):
    return Source(channels, lambda: torch.empty(0), lambda: "", pretrained)


def test_the_weights_decide():
    pretrained = ([0.5, 0.4, 0.3], [0.1, 0.2, 0.3])
    assert model.build(model.Config(), source(3, pretrained)) == Affine((0.5, 0.4, 0.3), (0.1, 0.2, 0.3))


def test_grey_images_get_the_mean_of_the_channels():
    affine = model.build(model.Config(), source(1, ([0.5, 0.4, 0.3], [0.1, 0.2, 0.3])))
    assert affine.mean == pytest.approx((0.4,))
    assert affine.std == pytest.approx((0.2,))


def test_a_model_without_pretrained_weights_is_an_error():
    with pytest.raises(ConfigError, match="normalize=model: the model has no pretrained weights.*normalize=zscore"):
        model.build(model.Config(), source(3, None))

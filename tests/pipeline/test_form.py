from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from cvrun.data import ImageForm
from cvrun.pipeline.form import bound, bound_array, fit_array
from cvrun.pipeline.levels import UnfitError

GREY = ImageForm(8, 1, "stretch")
RGB = ImageForm(8, 3, "stretch")
DRAW = np.random.default_rng(0)


def draw(*shape: int) -> Any:
    return DRAW.integers(0, 256, shape).astype(np.uint8)


def resized(pixels: Any, height: int, width: int) -> Any:
    """The independent reference: torch's antialiased bilinear interpolation in float."""
    tensor = torch.from_numpy(pixels.astype(np.float64)).permute(2, 0, 1)[None]
    out = functional.interpolate(tensor, size=(height, width), mode="bilinear", antialias=True, align_corners=False)
    return out[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize(("height", "width"), [(8, 8), (20, 13), (5, 6), (3, 40), (64, 64)])
@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
def test_sizes(height: int, width: int, fit: str) -> None:
    pixels = draw(height, width, 3)
    got = fit_array(pixels, ImageForm(8, 3, fit))
    assert got.shape == (8, 8, 3)
    assert got.dtype == np.uint8
    if fit == "stretch" or height == width:
        np.testing.assert_allclose(got, resized(pixels, 8, 8), atol=1.01)


def test_crop_is_the_centre_of_the_scaled_image() -> None:
    pixels = draw(16, 40, 3)
    got = fit_array(pixels, ImageForm(8, 3, "crop"))
    np.testing.assert_allclose(got, resized(pixels, 8, 20)[:, 6:14], atol=1.01)
    got = fit_array(pixels.transpose(1, 0, 2), ImageForm(8, 3, "crop"))
    np.testing.assert_allclose(got, resized(pixels.transpose(1, 0, 2), 20, 8)[6:14], atol=1.01)


def test_pad_is_the_whole_image_between_black_borders() -> None:
    pixels = draw(16, 32, 1)
    got = fit_array(pixels, ImageForm(8, 1, "pad"))
    np.testing.assert_allclose(got[2:6], resized(pixels, 4, 8), atol=1.01)
    assert not got[:2].any()
    assert not got[6:].any()


def test_pad_keeps_a_line_of_a_very_long_image() -> None:
    assert fit_array(np.full((1, 100, 1), 200, np.uint8), ImageForm(8, 1, "pad")).max() == 200


def test_an_embedded_image_of_the_right_form_is_itself() -> None:
    colour, light = draw(8, 8, 3), draw(8, 8)
    assert fit_array(colour, RGB) is colour
    np.testing.assert_array_equal(fit_array(light[..., None], RGB)[..., 0], light)
    # ITU-R BT.601, as every grey conversion here.
    luma = colour.astype(float) @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(fit_array(colour, GREY)[..., 0], luma, atol=1.0)


@pytest.mark.parametrize("channels", [1, 3])
def test_an_array_is_bounded_as_its_image(channels: int) -> None:
    pixels = draw(30, 44, 3)
    for side in (0, 7, 30, 31):
        expected = bound(Image.fromarray(pixels), channels, side)
        np.testing.assert_array_equal(bound_array(pixels, channels, side), expected)
    np.testing.assert_allclose(bound_array(pixels, 3, 15), resized(pixels, 15, 22), atol=1.01)


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("channels", [2, 4, 5, 7])
def test_each_of_many_channels_is_resized_as_a_grey_image(channels: int, fit: str) -> None:
    """Alpha among four would weigh the others, were it taken for alpha."""
    pixels = draw(20, 13, channels)
    got = fit_array(pixels, ImageForm(8, channels, fit))
    alone = [fit_array(pixels[..., k : k + 1], ImageForm(8, 1, fit)) for k in range(channels)]
    np.testing.assert_array_equal(got, np.concatenate(alone, axis=2))
    bounded = bound_array(pixels, channels, 8)
    assert bounded.shape == (12, 8, channels)
    np.testing.assert_array_equal(bounded[..., -1:], bound_array(pixels[..., -1:], 1, 8))


@pytest.mark.parametrize(("have", "wanted"), [(5, 3), (3, 5), (1, 2), (2, 1), (4, 3), (3, 4)])
def test_channels_that_differ_are_both_named(have: int, wanted: int) -> None:
    for change in (lambda x: fit_array(x, ImageForm(4, wanted, "crop")), lambda x: bound_array(x, wanted, 0)):
        with pytest.raises(UnfitError) as caught:
            change(draw(6, 5, have))
        assert caught.value.reason == f"it has {have} channel{'s' * (have > 1)}"
        assert (caught.value.rule, caught.value.hint) == (f"the {wanted} of data.channels", f"set data.channels={have}")

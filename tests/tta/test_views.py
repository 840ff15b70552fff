import pytest
import torch
from torch import nn

from cvrun.errors import RuleError
from cvrun.tta import d4
from cvrun.tta._passes import predict_labels, predict_pixels
from cvrun.tta.views import Config, build

IMAGE = torch.arange(64.0).reshape(1, 1, 8, 8)


def config(hflip=False, vflip=False, rotations=(0,), scales=(1,), padding_mode="reflect", merge="mean"):
    return Config(hflip, vflip, rotations, scales, padding_mode, merge)


def names(**keys) -> list[str]:
    return [view.name for view in build(config(**keys)).views]


def test_flips_are_the_image_and_its_three_mirror_images():
    seen = [view.forward(IMAGE) for view in build(config(hflip=True, vflip=True)).views]
    expected = [IMAGE, IMAGE.flip(-1), IMAGE.flip(-2), IMAGE.flip(-2, -1)]
    assert all(torch.equal(a, b) for a, b in zip(seen, expected, strict=True))


def test_one_flip_alone():
    plain, flipped = build(config(vflip=True)).views
    assert torch.equal(plain.forward(IMAGE), IMAGE)
    assert torch.equal(flipped.forward(IMAGE), IMAGE.flip(-2))


@pytest.mark.parametrize("flips", [{"hflip": True}, {"vflip": True}, {"hflip": True, "vflip": True}], ids=str)
def test_g3_flips_of_quarter_turns_are_the_eight_of_d4_each_once(flips):
    ours = build(config(rotations=(0, 90, 180, 270), **flips)).views
    theirs = d4.build(d4.Config("mean")).views
    assert {view.name for view in ours} == {view.name for view in theirs}
    for view in ours:
        (same,) = [one for one in theirs if one.name == view.name]
        assert view.kind == "exact"
        assert torch.equal(view.forward(IMAGE), same.forward(IMAGE))


def test_the_product_has_every_combination_and_the_image_comes_first():
    found = names(hflip=True, rotations=(-10, 0, 10), scales=(0.5, 1, 2))
    turns = ["plain", "rot10", "rot350", "hflip", "rot10_hflip", "rot350_hflip"]
    assert found == turns + [f"{name}_x0.5" for name in turns] + [f"{name}_x2" for name in turns]


def test_views_that_are_one_by_two_ways_come_once():
    # Both flips are half a turn: of 4 x 4 combinations 8 are left.
    assert len(names(hflip=True, vflip=True, rotations=(0, 10.1, 180, 190.1))) == 8


@pytest.mark.parametrize("scale", [0.5, 1.5, 3])
def test_scales_have_their_size_and_come_back_to_that_of_the_image(scale):
    image = torch.rand(2, 3, 10, 14)
    _, view = build(config(scales=(1, scale))).views
    assert view.forward(image).shape == (2, 3, 10 * scale, 14 * scale)
    assert view.inverse(view.forward(image), (10, 14)).shape == image.shape
    assert view.kind == "interpolated"


def test_a_turned_scale_of_an_oblong_image_comes_back_upright():
    image = torch.linspace(0, 1, 7).expand(1, 1, 5, 7)
    view = build(config(rotations=(0, 90), scales=(1, 2))).views[-1]
    assert view.forward(image).shape == (1, 1, 14, 10)
    torch.testing.assert_close(view.inverse(view.forward(image), (5, 7)), image, rtol=0, atol=0.05)


def test_c5_scale_1_alone_is_the_plain_prediction_to_the_last_bit():
    torch.manual_seed(0)
    image = torch.randn(5, 3, 8, 8)
    labels, dense = nn.Sequential(nn.Flatten(), nn.Linear(192, 4)), nn.Conv2d(3, 4, 3, padding=1)
    for merge in ("mean", "mean_logits"):
        tta = build(config(merge=merge))
        assert torch.equal(predict_labels(labels, image, tta), torch.softmax(labels(image), dim=1))
        assert torch.equal(predict_pixels(dense, image, tta), torch.softmax(dense(image), dim=1))


def test_g3_seven_turns_as_in_the_u_net_paper_keep_a_smooth_dense_output_everywhere():
    # A model of single pixels on a smooth image: what turns cut off or pad must not show, at corners neither.
    torch.manual_seed(0)
    down, across = torch.linspace(0, 1, 24)[:, None], torch.linspace(0, 2, 24)
    image, model = torch.sin(down + across).expand(1, 3, 24, 24), nn.Conv2d(3, 4, 1)
    angles = tuple(360 * i / 7 for i in range(7))
    for merge in ("mean", "gmean", "max", "mean_logits"):
        found = predict_pixels(model, image, build(config(rotations=angles, merge=merge, padding_mode="zeros")))
        plain = torch.softmax(model(image), dim=1)
        inner = (..., slice(6, -6), slice(6, -6))
        torch.testing.assert_close(found[inner], plain[inner], rtol=0, atol=5e-3)
        # No turn by 51 degrees shows a corner: there the plain view is alone.
        torch.testing.assert_close(found[..., 0, 0], plain[..., 0, 0], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"rotations": ()}, "rotations"),
        ({"rotations": (5,)}, "rotations"),
        ({"rotations": (0, 5, 365)}, "rotations"),
        ({"rotations": (0, float("nan"))}, "rotations"),
        ({"rotations": (0, float("inf"))}, "rotations"),
        ({"scales": ()}, "scales"),
        ({"scales": (0.5,)}, "scales"),
        ({"scales": (1, 1)}, "scales"),
        ({"scales": (1, 0)}, "scales"),
        ({"scales": (1, -2)}, "scales"),
        ({"scales": (1, float("nan"))}, "scales"),
        ({"scales": (1, 1e6)}, "scales"),
        ({"padding_mode": "wrap"}, "padding_mode"),
        ({"merge": "sum"}, "merge"),
    ],
    ids=str,
)
def test_values_out_of_range_are_refused(keys, key):
    with pytest.raises(RuleError) as caught:
        config(**keys)
    assert caught.value.key == key

"""Views through a model: samples never mix, whatever the batch, the merge and the views."""

import pytest
import torch
import yaml
from torch import nn

from cvrun.options import choices, load
from cvrun.tta import MERGES, TTA, View, _passes
from cvrun.tta._passes import predict_labels, predict_pixels
from cvrun.typed import to_dataclass

NUM = 11


def tta_of(choice, **keys):
    values = yaml.safe_load(choices("tta")[choice].read_text()) | keys
    module = load("tta", values.pop("option"))
    return module.build(to_dataclass(module.Config, values, "tta"))


ON = [choice for choice in choices("tta") if choice != "none"]


class Number(nn.Module):
    """Knows the number that an image is filled with: that is its class."""

    def __init__(self, dense=False):
        super().__init__()
        self.dense, self.sizes = dense, []

    def forward(self, image):
        self.sizes.append(len(image))
        number = image[:, 0] if self.dense else image.mean(dim=(1, 2, 3))
        logits = 9.0 * nn.functional.one_hot(number.round().long(), NUM).float()
        return logits.movedim(-1, 1)


def numbered(start, stop, size=16):
    return torch.arange(float(start), stop)[:, None, None, None].expand(-1, 2, size, size).clone()


@pytest.mark.parametrize("most", [1, 2000, 1 << 22])
@pytest.mark.parametrize("merge", MERGES)
@pytest.mark.parametrize("choice", ON)
def test_timm_defect_2_each_sample_is_told_its_own_number(choice, merge, most, monkeypatch):
    monkeypatch.setattr(_passes, "PASS", most)
    tta = tta_of(choice, merge=merge)
    # Batches of four, the last of three.
    parts = [numbered(start, min(start + 4, NUM)) for start in range(0, NUM, 4)]
    found = torch.cat([predict_labels(Number(), part, tta) for part in parts])
    assert found.argmax(dim=1).tolist() == list(range(NUM))
    dense = torch.cat([predict_pixels(Number(dense=True), part, tta) for part in parts])
    assert torch.equal(dense.argmax(dim=1), torch.arange(NUM)[:, None, None].expand(-1, 16, 16))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("merge", MERGES)
@pytest.mark.parametrize("choice", ON)
def test_a_sample_is_predicted_alike_alone_and_in_any_batch(choice, merge, layout, monkeypatch):
    torch.manual_seed(0)
    tta = tta_of(choice, merge=merge)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)).eval()
    image = torch.randn(7, 3, 16, 16).to(memory_format=layout)
    with torch.inference_mode():
        together = predict_labels(model, image, tta)
        alone = torch.cat([predict_labels(model, one[None], tta) for one in image])
        monkeypatch.setattr(_passes, "PASS", 1)
        parts = torch.cat([predict_labels(model, part, tta) for part in image.split(3)])
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-6)
    torch.testing.assert_close(parts, together, rtol=0, atol=1e-6)


@pytest.mark.parametrize("choice", ON)
def test_what_is_merged_is_what_the_views_are_one_by_one(choice):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)).eval()
    tta, image = tta_of(choice), torch.randn(5, 3, 16, 16)
    expected = sum(torch.softmax(model(view.forward(image)), dim=1) for view in tta.views) / len(tta.views)
    torch.testing.assert_close(predict_labels(model, image, tta), expected, rtol=0, atol=1e-6)


def sizes(image, tta, most, monkeypatch):
    """The images in each pass."""
    monkeypatch.setattr(_passes, "PASS", most)
    model = Number()
    predict_labels(model, image, tta)
    return model.sizes


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (1 << 22, [24]),
        # 3 images of 2x16x16 numbers: 1,536 a view.
        (8 * 1536, [24]),
        (8 * 1536 - 1, [21, 3]),
        (3 * 1536, [9, 9, 6]),
        (1, [3] * 8),
    ],
)
def test_views_go_together_as_far_as_they_may(most, expected, monkeypatch):
    assert sizes(numbered(0, 3), tta_of("d4"), most, monkeypatch) == expected


def test_larger_views_go_in_parts_of_the_memory_of_the_images(monkeypatch):
    tta = tta_of("scales", scales=[1, 2])
    # Four times as many pixels: a fourth of eight images at a time.
    assert sizes(numbered(0, 8), tta, 1, monkeypatch) == [8, 2, 2, 2, 2]


def test_views_of_one_shape_go_together_and_keep_their_order(monkeypatch):
    tta = tta_of("views")
    assert [view.name for view in tta.views][:3] == ["plain", "hflip", "plain_x0.75"]
    assert sizes(numbered(0, 3), tta, 1 << 22, monkeypatch) == [6, 6, 6]
    # An oblong image: two shapes, which alternate.
    assert sizes(numbered(0, 3)[..., :8], tta_of("d4"), 1 << 22, monkeypatch) == [12, 12]
    named = [View(str(i), lambda image, i=i: (image + i)[..., : 16 - i % 2], None) for i in range(5)]
    found = predict_labels(Number(), numbered(0, 3), TTA(tuple(named), "vote"))
    for number in range(3):
        assert found[number].nonzero().flatten().tolist() == [number + i for i in range(5)]


def test_the_model_sees_the_layout_of_the_images():
    seen = []

    def model(image):
        seen.append(image.is_contiguous(memory_format=torch.channels_last))
        return image.mean(dim=(2, 3))

    for choice in ON:
        predict_labels(model, torch.randn(2, 3, 16, 16).to(memory_format=torch.channels_last), tta_of(choice))
    assert all(seen)


def test_reduced_precision_is_merged_in_float32():
    model, image = nn.Linear(8, 4).to(torch.bfloat16), torch.randn(3, 1, 1, 8)
    found = predict_labels(lambda seen: model(seen.flatten(1).to(torch.bfloat16)), image, tta_of("hflip"))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.sum(dim=1), torch.ones(3))

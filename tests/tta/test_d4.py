import pytest
import torch
from torch import Tensor, nn

from cvrun.tta._passes import predict_labels, predict_pixels
from cvrun.tta.d4 import Config, build


def merged(model: nn.Module, image: Tensor, merge: str) -> Tensor:
    return predict_pixels(model, image, build(Config(merge)))


def test_the_views_are_the_eight_symmetries_of_the_square() -> None:
    seen = {
        tuple(view.forward(torch.tensor([[1, 2], [3, 4]])).flatten().tolist()) for view in build(Config("mean")).views
    }
    rotations = {(1, 2, 3, 4), (2, 4, 1, 3), (4, 3, 2, 1), (3, 1, 4, 2)}
    flips = {(2, 1, 4, 3), (4, 2, 3, 1), (3, 4, 1, 2), (1, 3, 2, 4)}
    assert seen == rotations | flips


@pytest.mark.parametrize("merge", ["mean", "gmean", "max", "mean_logits"])
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_g3_merged_output_turns_with_the_image(merge: str, turns: int) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 3, padding=1)).eval()
    image = torch.randn(2, 3, 9, 9)
    turned = torch.rot90(image, turns, (-2, -1))
    expected = torch.rot90(merged(model, image, merge), turns, (-2, -1))
    torch.testing.assert_close(merged(model, turned, merge), expected, rtol=0, atol=1e-5)
    plain = [torch.softmax(model(x), dim=1) for x in (turned, image)]
    assert (plain[0] - torch.rot90(plain[1], turns, (-2, -1))).abs().max() > 1e-2


def test_merged_output_mirrors_with_the_image() -> None:
    torch.manual_seed(0)
    model, image = nn.Conv2d(3, 4, 3, padding=1), torch.randn(1, 3, 6, 8)
    expected = merged(model, image, "mean").flip(-1)
    torch.testing.assert_close(merged(model, image.flip(-1), "mean"), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("merge", ["mean", "gmean", "max", "mean_logits", "vote"])
def test_g3_labels_do_not_turn_with_the_image(merge: str) -> None:
    torch.manual_seed(0)
    model, image = nn.Sequential(nn.Flatten(), nn.Linear(108, 5)), torch.randn(3, 3, 6, 6)
    found = predict_labels(model, image, build(Config(merge)))
    for turns in (1, 2, 3):
        turned = predict_labels(model, torch.rot90(image, turns, (-2, -1)), build(Config(merge)))
        torch.testing.assert_close(turned, found, rtol=0, atol=1e-5)


def test_g3_each_image_goes_through_the_model_eight_times() -> None:
    images: list[Tensor] = []

    def model(image: Tensor) -> Tensor:
        images.extend(image)
        return image.mean(dim=(2, 3))

    predict_labels(model, torch.randn(3, 2, 4, 4), build(Config("mean")))
    assert len(images) == 8 * 3

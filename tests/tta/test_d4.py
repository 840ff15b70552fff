import pytest
import torch
from torch import Tensor, nn

from cvrun.tta import merge_views
from cvrun.tta.d4 import Config, build


def merged(model: nn.Module, image: Tensor, merge: str) -> Tensor:
    tta = build(Config(merge))
    return merge_views(torch.stack([view.inverse(model(view.forward(image))) for view in tta.views]), tta.merge)


def test_the_views_are_the_eight_symmetries_of_the_square() -> None:
    seen = {
        tuple(view.forward(torch.tensor([[1, 2], [3, 4]])).flatten().tolist()) for view in build(Config("mean")).views
    }
    rotations = {(1, 2, 3, 4), (2, 4, 1, 3), (4, 3, 2, 1), (3, 1, 4, 2)}
    flips = {(2, 1, 4, 3), (4, 2, 3, 1), (3, 4, 1, 2), (1, 3, 2, 4)}
    assert seen == rotations | flips


@pytest.mark.parametrize("merge", ["mean", "gmean", "max", "mean_logits"])
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_merged_output_turns_with_the_image(merge: str, turns: int) -> None:
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

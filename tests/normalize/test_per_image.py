import pytest
import torch

from cvrun.errors import RuleError
from cvrun.normalize import Source, per_image
from cvrun.normalize._by_image import ByImage


def test_the_keys_decide_and_nothing_is_fitted():
    source = Source(3, lambda: pytest.fail("no image is needed"), lambda: pytest.fail("no hash is needed"), None)
    assert per_image.build(per_image.Config("channel", 0.01), source) == ByImage("channel", 0.01)


def test_two_levels_become_minus_one_and_one():
    source = Source(1, lambda: (), lambda: "", None)
    image = torch.tensor([[[[10, 30]]], [[[100, 200]]]], dtype=torch.uint8)
    found = per_image.build(per_image.Config("global", 0.001), source)(image)
    assert found.flatten().tolist() == pytest.approx([-1, 1, -1, 1])


@pytest.mark.parametrize(("scope", "eps"), [("image", 0.001), ("global", 0.0), ("channel", 2.0)])
def test_what_makes_no_sense_is_an_error(scope, eps):
    with pytest.raises(RuleError):
        per_image.Config(scope, eps)

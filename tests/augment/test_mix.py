"""Mixup and cutmix against the formulas of their papers and against torchvision's v2 transforms."""

import pytest
import torch
from scipy import stats
from torchvision.transforms.v2 import CutMix

from cvrun.augment import _mix
from cvrun.errors import ConfigError
from cvrun.pipeline import Batch

K = 7


@pytest.fixture
def batch(pictures):
    def draw(num: int, **size) -> Batch:
        return Batch(pictures(num, **size), torch.arange(num) * 3 % K, torch.arange(num))

    return draw


def onehot(target):
    return torch.eye(K)[target]


def shares(target: torch.Tensor, soft: torch.Tensor) -> torch.Tensor:
    """The share of the opposite that a soft target tells, where the two classes differ."""
    other = target.flip(0)
    return torch.where(target == other, 0.0, soft.gather(1, other[:, None])[:, 0])


@pytest.mark.parametrize("num", [16, 7])
def test_mixup(batch, keys_of, num):
    given = batch(num)
    got = _mix.Mix(0.4, 0.0, 1.0, 0.5, K)(given, keys_of(num))
    lam = 1 - shares(given.target, got.target)
    differ = given.target != given.target.flip(0)
    assert got.image.dtype == got.target.dtype == torch.float32
    torch.testing.assert_close(got.target.sum(dim=1), torch.ones(num))
    wanted = lam[:, None] * onehot(given.target) + (1 - lam[:, None]) * onehot(given.target.flip(0))
    torch.testing.assert_close(got.target, wanted)
    column, own = lam[:, None, None, None], given.image.float()
    mixed = column * own + (1 - column) * own.flip(0)
    torch.testing.assert_close(got.image[differ], mixed[differ], rtol=0, atol=1e-3)
    assert 0 < lam[differ].min() < lam[differ].max() < 1
    assert got.image.min() >= 0 and got.image.max() <= 255


def test_cutmix(batch, keys_of):
    num = 200
    given = batch(num)
    got = _mix.Mix(0.0, 1.0, 1.0, 0.5, K)(given, keys_of(num))
    assert got.image.dtype == torch.uint8
    # A picture whose pixels all differ between the two of a pair shows where the box lies.
    marks = Batch(
        (torch.arange(num) % 251).to(torch.uint8)[:, None, None, None].expand(num, 1, 19, 26), given.target, given.index
    )
    shown = _mix.Mix(0.0, 1.0, 1.0, 0.5, K)(marks, keys_of(num)).image[:, 0]
    taken = shown != marks.image[:, 0]
    wanted = torch.where(taken[:, None], given.image.flip(0), given.image)
    assert torch.equal(got.image, wanted)
    area = taken.flatten(1).double().mean(dim=1)
    soft = onehot(given.target).double() * (1 - area[:, None]) + onehot(given.target.flip(0)).double() * area[:, None]
    torch.testing.assert_close(got.target.double(), soft, rtol=0, atol=1e-6)
    rectangles = taken.any(dim=2).sum(dim=1) * taken.any(dim=1).sum(dim=1)
    assert torch.equal(rectangles, taken.flatten(1).sum(dim=1))
    assert 0.2 < area.mean() < 0.5


@pytest.mark.parametrize("size", [(32, 32), (19, 26)], ids=str)
def test_boxes_are_those_of_torchvisions_cutmix(monkeypatch, numbers, size):
    lam, where = numbers(300, 0, 1), torch.stack((numbers(300, 0, 1, 2), numbers(300, 0, 1, 3)), dim=1)
    boxes = _mix.cut_boxes(1 - lam, where, *size)
    cutmix = CutMix(num_classes=K)
    for i in range(300):
        column, row = int(where[i, 1] * size[1]), int(where[i, 0] * size[0])
        draws = iter([torch.tensor([column]), torch.tensor([row])])
        monkeypatch.setattr(cutmix, "_dist", type("Fixed", (), {"sample": lambda self, shape, i=i: lam[i]})())
        monkeypatch.setattr(torch, "randint", lambda *args, draws=draws, **kwargs: next(draws))
        wanted = cutmix.make_params([torch.zeros(2, 3, *size)])
        monkeypatch.undo()
        left, top, right, bottom = wanted["box"]
        assert boxes[i].tolist() == [top, left, bottom - top, right - left]
        assert wanted["lam_adjusted"] == pytest.approx(1 - float(boxes[i, 2] * boxes[i, 3]) / (size[0] * size[1]))


@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0, 3.0, 50.0])
def test_shares_are_beta_distributed(keys_of, alpha):
    drawn = _mix.beta(keys_of(20_000), alpha, "x")
    assert drawn.dtype == torch.float64 and drawn.min() >= 0 and drawn.max() <= 1
    # Kolmogorov and Smirnov's distance at p = 0.001, away from the ends, where float64 rounds 1 - 1e-20 to 1.
    points = torch.linspace(1e-6, 1 - 1e-6, 999, dtype=torch.float64)
    reached = torch.searchsorted(drawn.sort().values, points) / 20_000
    wanted = torch.from_numpy(stats.beta(alpha, alpha).cdf(points.numpy()))
    assert (reached - wanted).abs().max() < 1.95 / 20_000**0.5


def test_each_sample_has_its_own_share_from_its_key(keys_of):
    keys = keys_of(50)
    drawn = _mix.beta(keys, 0.4, "x")
    assert drawn.unique().numel() == 50
    assert torch.equal(_mix.beta(keys[20:21], 0.4, "x"), drawn[20:21])


def test_a_share_of_the_samples_is_left_alone(keys_of):
    num = 10_000
    flat = Batch(
        torch.arange(num).to(torch.uint8).view(num, 1, 1, 1).expand(num, 1, 4, 4),
        torch.arange(num) % 2,
        torch.arange(num),
    )
    got = _mix.Mix(1.0, 0.0, 0.3, 0.5, 2)(flat, keys_of(num))
    alone = got.target.amax(dim=1) == 1
    # Five standard errors; opposite classes differ, since num is even.
    assert alone.float().mean().item() == pytest.approx(0.7, abs=0.023)
    assert torch.equal(got.image[alone], flat.image[alone].float())


def test_both_share_the_samples(keys_of):
    num = 10_000
    image = (torch.arange(num) % 2 * 200).to(torch.uint8).view(num, 1, 1, 1).expand(num, 1, 16, 16)
    got = _mix.Mix(5.0, 5.0, 1.0, 0.8, 2)(Batch(image, torch.arange(num) % 2, torch.arange(num)), keys_of(num))
    between = ((got.image > 0) & (got.image < 200)).flatten(1)
    # Mixup makes levels in between everywhere, cutmix nowhere.
    assert torch.equal(between.any(dim=1), between.all(dim=1))
    assert between.any(dim=1).float().mean().item() == pytest.approx(0.2, abs=0.02)


def test_a_pair_is_mixed_alike_wherever_it_stands(batch, keys_of):
    given, keys = batch(10), keys_of(10)
    whole = _mix.Mix(0.4, 1.0, 1.0, 0.5, K)(given, keys)
    for i in range(5):
        pair = torch.tensor([i, 9 - i])
        part = _mix.Mix(0.4, 1.0, 1.0, 0.5, K)(Batch(given.image[pair], given.target[pair], pair), keys[pair])
        assert torch.equal(part.image, whole.image[pair]) and torch.equal(part.target, whole.target[pair])


@pytest.mark.parametrize(("alphas", "key"), [((0.2, 0.0), "mixup_alpha=0.2"), ((0.0, 1.0), "cutmix_alpha=1.0")])
def test_masks_cannot_be_mixed(pictures, keys_of, alphas, key):
    images = pictures(4)
    masks = Batch(images, images[:, 0].long(), torch.arange(4))
    with pytest.raises(ConfigError, match=rf"augment\.{key}: expected 0"):
        _mix.Mix(*alphas, 1.0, 0.5, K)(masks, keys_of(4))


def test_labels_are_mixed_in_the_shares_of_the_images():
    labels = torch.tensor([[1, 0, 1], [0, 1, 1]], dtype=torch.uint8)
    mixed = _mix.soft_target(labels, torch.tensor([0.25, 0.5]), 3)
    assert mixed.dtype == torch.float32
    assert mixed.tolist() == [[0.75, 0.25, 1.0], [0.5, 0.5, 1.0]]

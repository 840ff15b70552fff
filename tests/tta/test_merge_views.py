import pytest
import torch

from cvrun.tta import MERGES, merge_views


def logits_of(*views: list[float]) -> torch.Tensor:
    """Probabilities of one image in each view -> logits (V, 1, K)."""
    return torch.tensor(views).log()[:, None]


@pytest.mark.parametrize(
    ("merge", "expected"),
    [
        ("mean", [0.6, 0.3, 0.1]),
        # sqrt(.8 * .4), sqrt(.1 * .5), sqrt(.1 * .1), over their sum
        ("gmean", [0.565685 / 0.889292, 0.223607 / 0.889292, 0.1 / 0.889292]),
        ("max", [0.8 / 1.4, 0.5 / 1.4, 0.1 / 1.4]),
        ("vote", [0.5, 0.5, 0.0]),
    ],
)
def test_two_views_by_hand(merge: str, expected: list[float]) -> None:
    result = merge_views(logits_of([0.8, 0.1, 0.1], [0.4, 0.5, 0.1]), merge)
    assert result[0].tolist() == pytest.approx(expected, abs=1e-6)


def test_mean_of_logits_is_the_softmax_of_their_mean() -> None:
    logits = torch.tensor([[[2.0, 0.0]], [[0.0, 4.0]]])
    assert merge_views(logits, "mean_logits")[0].tolist() == pytest.approx([0.268941, 0.731059], abs=1e-6)


def test_merges_of_probabilities_do_not_see_a_shift_of_one_view() -> None:
    logits = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))
    shifted = logits + torch.tensor([-40.0, 0.0, 7.0])[:, None, None]
    for merge in MERGES:
        torch.testing.assert_close(merge_views(shifted, merge), merge_views(logits, merge), rtol=0, atol=1e-5)


@pytest.mark.parametrize("merge", MERGES)
@pytest.mark.parametrize("shape", [(8, 3, 5), (2, 3, 4, 6, 7)])
def test_results_are_probabilities(merge: str, shape: tuple[int, ...]) -> None:
    result = merge_views(50 * torch.randn(shape, generator=torch.Generator().manual_seed(0)), merge)
    assert result.shape == shape[1:]
    assert result.dtype == torch.float32
    assert bool(((result >= 0) & (result <= 1)).all())
    torch.testing.assert_close(result.sum(dim=1), torch.ones_like(result[:, 0]))


def test_geometric_mean_of_negative_logits_is_finite_and_keeps_their_order() -> None:
    # ttach takes the root of the product of raw logits: -1 and -3 become 1.73, and class 1 would win here.
    logits = torch.tensor([[[-1.0, -9.0]], [[-3.0, -9.0]]])
    result = merge_views(logits, "gmean")
    # Log-odds are averaged: (8 + 6) / 2 = 7.
    assert result[0].tolist() == pytest.approx([0.999089, 0.000911], abs=1e-6)


def test_geometric_mean_survives_a_probability_of_zero() -> None:
    logits = torch.tensor([[[0.0, -400.0]], [[-400.0, 0.0]]])
    assert merge_views(logits, "gmean")[0].tolist() == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("merge", [merge for merge in MERGES if merge != "vote"])
def test_one_view_is_the_plain_softmax(merge: str) -> None:
    logits = torch.randn(1, 6, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(merge_views(logits, merge), torch.softmax(logits[0], dim=1))


def test_votes_of_one_view_are_its_choice() -> None:
    logits = torch.tensor([[[0.1, 0.9, 0.2], [3.0, 3.0, 1.0]]])
    assert merge_views(logits, "vote").tolist() == [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]


def test_views_of_one_image_never_touch_another() -> None:
    logits = torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(0))
    for merge in MERGES:
        alone = torch.cat([merge_views(logits[:, i : i + 1], merge) for i in range(5)])
        torch.testing.assert_close(alone, merge_views(logits, merge))


@pytest.mark.parametrize(
    ("merge", "expected"),
    [
        ("mean", [0.8, 0.1, 0.1]),
        ("gmean", [0.8, 0.1, 0.1]),
        ("max", [0.8, 0.1, 0.1]),
        ("mean_logits", [0.8, 0.1, 0.1]),
        ("vote", [1.0, 0.0, 0.0]),
    ],
)
def test_a_view_does_not_count_where_it_shows_nothing(merge: str, expected: list[float]) -> None:
    # Two pixels: both views show the first, only one view the second.
    logits = logits_of([0.8, 0.1, 0.1], [0.4, 0.5, 0.1])[..., None].repeat(1, 1, 1, 2)
    seen = torch.tensor([[True, True], [True, False]])[:, None, None]
    result = merge_views(logits, merge, seen)
    assert result[0, :, 1].tolist() == pytest.approx(expected, abs=1e-6)
    torch.testing.assert_close(result[0, :, 0], merge_views(logits[..., 0], merge)[0])


def test_another_word_is_an_error() -> None:
    with pytest.raises(ValueError, match="merge=median"):
        merge_views(torch.zeros(1, 1, 2), "median")

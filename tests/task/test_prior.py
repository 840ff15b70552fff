"""Probabilities at other shares of the classes than those that training showed."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score
from torch import nn

from cvrun.errors import RuleError
from cvrun.loss import cross_entropy
from cvrun.pipeline import Batch
from cvrun.sampler import Shown, undersample, weighted
from cvrun.task._prior import Shifted, shift_between, unshifted
from cvrun.task.classification import Config, build, prior_shift
from cvrun.trainer import PLAIN
from cvrun.tta import MERGES, TTA, View


def test_a2_keeping_a_tenth_of_the_negatives():
    # With a share b of the negatives kept, p = b p' / (b p' - p' + 1): .5 -> .05 / .55 = 1 / 11.
    shares = np.array([0.99, 0.01])
    kept = shares * (0.1, 1.0)
    shift = shift_between(shares, kept / kept.sum())
    assert shift[1] - shift[0] == pytest.approx(-2.3026, abs=5e-5)
    logits = torch.tensor([[0.0, 0.0], [0.0, 3.0]])
    corrected = torch.softmax(Shifted(shift)(logits), dim=1)[:, 1]
    assert corrected[0].item() == pytest.approx(0.0909, abs=5e-5)
    before = torch.sigmoid(torch.tensor(3.0)).item()
    assert corrected[1].item() == pytest.approx(0.1 * before / (0.1 * before - before + 1), rel=1e-5)


def test_three_classes_follow_bayes():
    random = np.random.default_rng(0)
    density = random.uniform(size=(20, 3))  # p(x | k) of 20 images
    real, shown = np.array([0.7, 0.2, 0.1]), np.array([0.25, 0.25, 0.5])
    there = np.log(density * shown / (density * shown).sum(axis=1, keepdims=True))
    expected = density * real / (density * real).sum(axis=1, keepdims=True)
    found = torch.softmax(Shifted(shift_between(real, shown))(torch.from_numpy(there).float()), dim=1)
    assert found.numpy() == pytest.approx(expected, abs=1e-6)


def test_equal_shares_are_no_shift_whatever_the_rounding():
    shares = np.array([0.1, 0.2, 0.7])
    assert shift_between(shares, shares * 3 / (shares * 3).sum()) == ()
    logits = torch.randn(4, 3)
    assert unshifted(logits) is logits


@pytest.mark.parametrize("prior", ["none", "train"])
def test_where_nothing_is_resampled_nothing_is_shifted(prior):
    shares = np.array([0.1, 0.2, 0.7])
    assert prior_shift(Config(prior), shares, shares / shares.sum()) == ()


def test_none_leaves_what_was_shown():
    assert prior_shift(Config("none"), np.array([0.9, 0.1]), np.array([0.5, 0.5])) == ()


@pytest.mark.parametrize("prior", ["train", (0.9, 0.1)])
def test_shares_of_training_and_given_ones_are_shifted_to_alike(prior):
    # ln(.9 / .5) and ln(.1 / .5)
    found = prior_shift(Config(prior), np.array([0.9, 0.1]), np.array([0.5, 0.5]))
    assert found == pytest.approx([0.587787, -1.609438], abs=1e-6)


def test_a_prevalence_is_shifted_to_though_nothing_is_resampled():
    natural = np.array([0.5, 0.5])
    assert np.exp(prior_shift(Config((0.99, 0.01)), natural, natural)) == pytest.approx([1.98, 0.02])


@pytest.mark.parametrize(
    ("prior", "said"),
    [
        ("test", "prior=test: expected none, train, or a list with one share a class"),
        ((), "expected none, train, or a list with one share a class, each > 0"),
        ((1.0, 0.0), "each > 0"),
        ((1.5, -0.5), "each > 0"),
        ((float("nan"), 0.5), "each > 0"),
        ((0.9, 0.2), "expected shares with the sum 1"),
        ((0.5, 0.49999), "expected shares with the sum 1"),
    ],
)
def test_what_are_no_shares_is_refused(prior, said):
    with pytest.raises(RuleError, match=said):
        Config(prior)


def test_shares_need_the_sum_1_to_a_millionth():
    assert Config((0.3333333, 0.3333333, 0.3333333)).prior[0] == 0.3333333


def test_shares_that_do_not_fit_the_classes_are_refused():
    half = np.array([0.5, 0.5])
    with pytest.raises(RuleError, match="expected 2 shares, one a class"):
        prior_shift(Config((0.2, 0.3, 0.5)), half, half)
    with pytest.raises(RuleError, match="a training image of every class, but there is none of class 1"):
        prior_shift(Config("train"), np.array([1.0, 0.0]), np.array([1.0, 0.0]))


@pytest.mark.parametrize("merge", MERGES)
def test_each_view_is_shifted_before_views_are_merged(merge):
    torch.manual_seed(0)
    model, image, shift = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), torch.randn(5, 1, 2, 2), (0.5, -1.0, 2.0)
    flip = View("flip", lambda x: x.flip(-1), lambda x: x.flip(-1))
    found = build(Config("none"), None, (), shift).predict(model, image, TTA((flip, flip), merge))
    # Both views are the same, so the merge is that view, or for a vote its choice.
    one = torch.softmax(model(image.flip(-1)) + torch.tensor(shift), dim=1)
    expected = nn.functional.one_hot(one.argmax(dim=1), 3).float() if merge == "vote" else one
    assert torch.allclose(found, expected, atol=1e-6)


def test_the_loss_of_training_is_not_touched():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    batch = Batch(torch.randn(6, 1, 2, 2), torch.tensor([0, 1, 1, 0, 1, 0]), torch.arange(6))
    loss = cross_entropy.build(cross_entropy.Config(0.0, "none", 0.0), np.array([3, 3]))
    plain, shifted = (build(Config("none"), loss, (), shift) for shift in ((), (3.0, -3.0)))
    assert torch.equal(plain.loss(model, batch, batch), shifted.loss(model, batch, batch))
    assert not torch.equal(plain.predict(model, batch.image, PLAIN), shifted.predict(model, batch.image, PLAIN))


def images(count: int, prevalence: float, seed: int) -> tuple[torch.Tensor, np.ndarray]:
    """Two classes of one spread, their means 1.5 apart along one of four axes: the log-odds are linear in the image."""
    random = np.random.default_rng(seed)
    labels = (random.uniform(size=count) < prevalence).astype(np.int64)
    points = random.normal(size=(count, 4))
    points[:, 0] += 1.5 * labels
    return torch.from_numpy(points).float().view(count, 1, 2, 2), labels


def fitted(image: torch.Tensor, labels: np.ndarray, order, loss, epochs: int) -> nn.Module:
    """A logistic model, trained on what a sampler shows."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    target = torch.from_numpy(labels)
    for epoch in range(epochs):
        rows = order(epoch)
        (loss.total(model(image[rows]), target[rows]) / loss.weight(target[rows])).backward()
        optimizer.step()
        optimizer.zero_grad()
    return model


def case(name: str, shown: Shown):
    """Order of an epoch, loss, and what training shows of each class."""
    loss_config = cross_entropy.Config(0.0, "none", 0.999)
    if name == "undersample":
        module, config = undersample, undersample.Config(1.0)
    elif name == "weighted":
        module, config = weighted, weighted.Config("sqrt", 0.999)
    else:
        module, config = undersample, undersample.Config(1e9)  # all images
        loss_config = cross_entropy.Config(0.0, "balanced", 0.999)
    learned = module.shares(config, shown) * cross_entropy.class_weights(loss_config, shown.counts)
    loss = cross_entropy.build(loss_config, shown.counts)
    return module.build(config, shown, 0), loss, learned / learned.sum()


@pytest.mark.parametrize("name", ["undersample", "weighted", "class weights"])
@pytest.mark.parametrize("prevalence", [0.1, 0.03])
def test_m6_the_mean_probability_is_the_prevalence_after_correction(name, prevalence):
    image, labels = images(40_000, prevalence, seed=1)
    shown = Shown(labels, 2)
    order, loss, learned = case(name, shown)
    model = fitted(image, labels, order, loss, 200)
    shift = prior_shift(Config("train"), shown.counts / len(labels), learned)
    validation, truth = images(40_000, prevalence, seed=2)
    with torch.inference_mode():
        raw, corrected = (
            build(Config("none"), loss, (), wanted).predict(model, validation, PLAIN)[:, 1].double().numpy()
            for wanted in ((), shift)
        )
    assert abs(raw.mean() - prevalence) > 0.05
    assert corrected.mean() == pytest.approx(prevalence, abs=0.01)
    # Calibrated in the small as well: of those with a corrected probability above .2 that share is positive.
    high = corrected > 0.2
    assert truth[high].mean() == pytest.approx(corrected[high].mean(), abs=0.04)
    # Who ranks above whom stays (van den Goorbergh et al. 2022), who is above one half does not.
    assert roc_auc_score(truth, corrected) == pytest.approx(roc_auc_score(truth, raw), abs=1e-5)
    assert (corrected > 0.5).sum() < (raw > 0.5).sum()
    # More are right, fewer of the rare ones are found: accuracy rises, balanced accuracy falls.
    decided, before = corrected > 0.5, raw > 0.5
    assert accuracy_score(truth, decided) > accuracy_score(truth, before)
    assert balanced_accuracy_score(truth, decided) < balanced_accuracy_score(truth, before)

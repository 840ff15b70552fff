"""Merging the probabilities of several models, and choosing among them."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import VotingClassifier
from sklearn.metrics import accuracy_score, log_loss

from cvrun.ensemble import LOWEST, MERGES, PICKS, agreed, greedy, merged
from cvrun.tta import merge_views


def models(seed: int, count: int = 4, images: int = 60, classes: int = 3, spread: float = 2.0):
    random = np.random.default_rng(seed)
    targets = random.integers(0, classes, images)
    logits = spread * random.standard_normal((count, images, classes))
    logits[:, np.arange(images), targets] += random.uniform(0, 2, (count, 1))
    raised = np.exp(logits - logits.max(axis=2, keepdims=True))
    return list(raised / raised.sum(axis=2, keepdims=True)), targets


def loss(probabilities, targets) -> float:
    return float(-np.log(probabilities[np.arange(len(targets)), targets]).mean())


@pytest.mark.parametrize("seed", range(50))
def test_j3_the_cross_entropy_of_the_mean_is_never_above_the_mean_cross_entropy(seed):
    each, targets = models(seed, count=2 + seed % 7, classes=2 + seed % 4, spread=1 + seed % 9)
    weights = np.random.default_rng(seed).integers(0, 4, len(each)) + np.eye(len(each), dtype=int)[0]
    alone = [loss(one, targets) for one in each]
    assert loss(merged(each, "mean"), targets) <= np.mean(alone) + 1e-12
    assert loss(merged(each, "mean", weights), targets) <= np.average(alone, weights=weights) + 1e-12
    # The geometric mean keeps that bound: renormalizing divides by at most 1 (Hoelder's inequality).
    assert loss(merged(each, "gmean"), targets) <= np.mean(alone) + 1e-12


@pytest.mark.parametrize("merge", MERGES)
def test_rows_sum_to_1_and_equal_models_stay_as_they_are(merge):
    each, _ = models(1)
    for weights in (None, [0, 3, 1, 0]):
        found = merged(each, merge, weights)
        assert found.dtype == np.float64 and found.min() >= 0
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-14)
    same = merged([each[0]] * 3, merge)
    if merge == "vote":
        assert np.array_equal(same, np.eye(3)[each[0].argmax(axis=1)])
    else:
        np.testing.assert_allclose(same, each[0], rtol=1e-12)


def test_j3_closed_forms():
    a, b = np.array([[0.5, 0.3, 0.2]]), np.array([[0.1, 0.3, 0.6]])
    np.testing.assert_allclose(merged([a, b], "mean"), [[0.3, 0.3, 0.4]])
    np.testing.assert_allclose(merged([a, b], "mean", [3, 1]), [[0.4, 0.3, 0.3]])
    roots = np.sqrt([0.05, 0.09, 0.12])
    np.testing.assert_allclose(merged([a, b], "gmean"), [roots / roots.sum()])
    np.testing.assert_allclose(merged([a, b], "vote"), [[0.5, 0, 0.5]])
    np.testing.assert_allclose(merged([a, b], "vote", [1, 3]), [[0.25, 0, 0.75]])
    # Where classes tie in a model, the lowest index has its vote.
    tied = np.array([[0.4, 0.4, 0.2]])
    np.testing.assert_allclose(merged([tied, b, b], "vote"), [[1 / 3, 0, 2 / 3]])


def test_gmean_is_scipys_and_a_zero_does_not_undo_what_the_others_say():
    each, _ = models(2)
    raw = stats.gmean(np.stack(each), axis=0, weights=np.array([1.0, 2, 0, 1])[:, None, None] * np.ones((4, 60, 3)))
    found = merged(each, "gmean", [1, 2, 0, 1])
    np.testing.assert_allclose(found, raw / raw.sum(axis=1, keepdims=True), rtol=1e-12)
    sure, other = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    np.testing.assert_allclose(merged([sure, other], "gmean"), [[0.5, 0.5]])
    np.testing.assert_allclose(merged([sure, sure], "gmean"), [[1 / (1 + LOWEST), LOWEST / (1 + LOWEST)]])


@pytest.mark.parametrize("merge", MERGES)
def test_models_are_merged_as_views_are(merge):
    each, _ = models(3)
    views = torch.log(torch.tensor(np.stack(each), dtype=torch.float32))
    np.testing.assert_allclose(merged(each, merge), merge_views(views, merge).numpy(), atol=1e-6)


class Saved(ClassifierMixin, BaseEstimator):
    """A model for scikit-learn that has its probabilities already."""

    def __init__(self, probabilities=None):
        self.probabilities = probabilities

    def fit(self, rows, targets):
        self.classes_ = np.unique(targets)
        return self

    def predict_proba(self, rows):
        return self.probabilities[rows[:, 0]]

    def predict(self, rows):
        return self.predict_proba(rows).argmax(axis=1)


@pytest.mark.parametrize("weights", [None, [1, 2, 3, 1]])
def test_j3_mean_and_vote_are_those_of_scikit_learn(weights):
    each, targets = models(4)
    rows = np.arange(len(targets))[:, None]
    named = [(f"m{i}", Saved(one)) for i, one in enumerate(each)]
    soft = VotingClassifier(named, voting="soft", weights=weights).fit(rows, targets)
    np.testing.assert_allclose(merged(each, "mean", weights), soft.predict_proba(rows), rtol=1e-12)
    hard = VotingClassifier(named, voting="hard", weights=weights).fit(rows, targets)
    assert np.array_equal(merged(each, "vote", weights).argmax(axis=1), hard.predict(rows))


def test_another_merge_is_refused():
    with pytest.raises(ValueError, match="merge=median: expected one of mean, gmean, vote"):
        merged(models(0)[0], "median")


SCORES = {
    "loss": lambda targets: lambda p: -log_loss(targets, p, labels=range(3)),
    "accuracy": lambda targets: lambda p: accuracy_score(targets, p.argmax(axis=1)),
}


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("seed", range(12))
def test_j3_greedy_never_ends_below_the_best_model(seed, name):
    each, targets = models(seed, count=6)
    score = SCORES[name](targets)
    found = greedy(each, score)
    alone = [score(one) for one in each]
    assert found.order[0] == int(np.argmax(alone)) and found.scores[0] == max(alone)
    assert list(found.scores) == sorted(set(found.scores))
    assert np.array_equal(found.picks, np.bincount(found.order, minlength=6)) and found.picks.sum() <= PICKS
    mean = merged(each, "mean", found.picks.tolist())
    assert score(mean) == pytest.approx(found.scores[-1], rel=1e-9)
    if len(found.order) < PICKS:
        count = len(found.order)
        assert max(score((count * mean + one) / (count + 1)) for one in each) <= found.scores[-1] + 1e-8


def test_greedy_takes_the_pair_that_complete_each_other_and_leaves_the_third():
    targets = np.array([0, 0, 1, 1])
    left = np.array([[0.9, 0.1], [0.4, 0.6], [0.1, 0.9], [0.6, 0.4]])
    right = left[[1, 0, 3, 2]]
    wrong = 1 - np.eye(2)[targets]
    found = greedy([wrong, left, right], SCORES["accuracy"](targets))
    # Each alone is right on 2 of 4, their mean on all.
    assert (found.order, found.scores) == ((1, 2), (0.5, 1.0))
    assert found.picks.tolist() == [0, 1, 1]


def test_greedy_draws_a_model_again_where_it_deserves_more_weight():
    # Of 4 images 3 are of the first class, so that its probability has the least loss at 3/4 = (3 * 0.9 + 0.3) / 4.
    targets = np.array([0, 0, 0, 1])
    each = [np.tile([first, 1 - first], (4, 1)) for first in (0.9, 0.3)]
    found = greedy(each, lambda p: -loss(p, targets))
    assert (found.order, found.picks.tolist()) == ((0, 1, 0, 0), [3, 1])
    assert found.scores[-1] == pytest.approx(0.75 * np.log(0.75) + 0.25 * np.log(0.25), rel=1e-12)


def test_greedy_stops_at_equal_models_and_has_no_opinion_without_a_score():
    each, targets = models(5)
    assert greedy([each[0]] * 3, SCORES["loss"](targets)).order == (0,)
    with pytest.raises(ValueError, match="no model has a score"):
        greedy(each, lambda p: -np.inf)


def test_agreement_counts_images_on_which_all_say_the_same():
    a = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]])
    b = np.array([[0.6, 0.4], [0.7, 0.3], [0.9, 0.1]])
    assert (agreed([a, b]), agreed([a, a]), agreed([a, b, b])) == (2, 3, 2)

import numpy as np
import pytest

from cvrun.metric._scatter import scatter


def test_a11_two_classes_on_a_line():
    found = scatter(np.array([[0], [2], [10], [12]], dtype=np.float32), np.array([0, 0, 1, 1]))
    assert found == {"within": 1.0, "between": 25.0, "total": 26.0, "ratio": 25.0}


def test_within_and_between_are_the_whole_variance():
    random = np.random.default_rng(0)
    labels = random.choice(4, 500, p=[0.7, 0.2, 0.06, 0.04])
    features = (random.normal(size=(500, 7)) + labels[:, None] + 1000).astype(np.float32)
    found = scatter(features, labels)
    assert found["total"] == pytest.approx(features.astype(np.float64).var(axis=0).sum())
    # The trace of scikit-learn's within-class covariance, with the shares as priors.
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    model = LinearDiscriminantAnalysis(solver="lsqr", store_covariance=True).fit(features.astype(np.float64), labels)
    assert found["within"] == pytest.approx(np.trace(model.covariance_))


def test_without_scatter_within_there_is_no_ratio():
    found = scatter(np.array([[1], [1], [3]], dtype=np.float32), np.array([0, 0, 1]))
    assert found["within"] == 0
    assert found["ratio"] is None

"""One temperature for a model's logits, and how well probabilities are calibrated before and after."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvrun.decision import COLDEST, WARMEST, log_probabilities
from cvrun.errors import ConfigError
from cvrun.metric import Prediction
from cvrun.metric._curves import reliability

_TOLERANCE = 1e-9
_ROUNDS = 100


def fit_temperature(probabilities: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
    """Give the temperature with the least mean -log p(target), from COLDEST to WARMEST.

    In 1/T that mean is convex, so there is at most one minimum. The order of the classes of an image stays, and so does
    the ROC-AUC of two classes.

    Source: C. Guo et al., On calibration of modern neural networks, ICML 2017, section 4.2.

    Args:
        probabilities: Of a split that the model was not trained on, (N, K), N > 0.
        targets: Class indices, (N,).

    Raises:
        ConfigError: If there is no minimum: all predictions are right, or they say nothing about the targets.
    """
    from scipy.optimize import minimize_scalar

    rows = np.arange(len(targets))
    logits = log_probabilities(probabilities)
    logits -= logits.max(axis=1, keepdims=True)
    chosen = logits[rows, targets]
    if not chosen.any():
        fact = f"all {len(rows):,} validation images are right, so the colder, the better"
        raise ConfigError(f"--temperature: no temperature is best: {fact}", "more validation images may show one")
    if chosen.mean() <= logits.mean():
        fact = "the probabilities say nothing about the labels, so the warmer, the better"
        raise ConfigError(f"--temperature: no temperature is best: {fact}")

    def loss(log_temperature: float) -> float:
        scaled = logits * math.exp(-log_temperature)
        return float(np.mean(np.log(np.exp(scaled).sum(axis=1)) - scaled[rows, targets]))

    ends = (math.log(COLDEST), math.log(WARMEST))
    found = math.exp(float(minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": _TOLERANCE}).x))
    if not COLDEST * 1.001 < found < WARMEST / 1.001:
        raise ConfigError(f"--temperature: no temperature from {COLDEST:g} to {WARMEST:g} is best")
    return found


def calibration(probabilities: NDArray[np.float64], targets: NDArray[np.int64]) -> dict[str, float | None]:
    """Give how well probabilities (N, K) are calibrated: loss, brier, ece, intercept and slope; None where undefined.

    loss is the mean -log p(target). brier is the mean of sum_k (p_k - y_k)^2, of two classes half of it. ece has 15
    bins. intercept and slope are those of recalibration: of the second class, where there are two; else of "the
    predicted class is right" by its probability.
    """
    rows = np.arange(len(targets))
    if len(rows) == 0:
        return dict.fromkeys(("loss", "brier", "ece", "intercept", "slope"))
    away = probabilities.copy()
    away[rows, targets] -= 1.0
    half = 0.5 if probabilities.shape[1] == 2 else 1.0
    # Rounded, a probability may fall into the bin beside.
    prediction = Prediction(probabilities, targets)  # type: ignore[arg-type]
    bins = [row for row in reliability(prediction) if row["images"]]
    ece = sum(row["images"] * abs(row["accuracy"] - row["confidence"]) for row in bins) / len(rows)
    if probabilities.shape[1] == 2:
        chosen, outcome = np.ones(len(rows), dtype=np.int64), targets == 1
    else:
        chosen, outcome = prediction.labels, prediction.labels == targets
    fitted = recalibration(_logit(probabilities, chosen), outcome)
    return {
        "loss": float(-log_probabilities(probabilities)[rows, targets].mean()),
        "brier": half * float((away**2).sum(axis=1).mean()),
        "ece": ece,
        "intercept": None if fitted is None else fitted[0],
        "slope": None if fitted is None else fitted[1],
    }


def recalibration(logit: NDArray[np.float64], outcome: NDArray[np.bool_]) -> tuple[float, float] | None:
    """Give intercept a and slope b of P(outcome) = 1 / (1 + exp(-a - b logit)), by maximum likelihood.

    Calibrated probabilities have a = 0 and b = 1; b < 1 says that they are too sure. None where there is no finite
    maximum: one outcome alone, one logit alone, or outcomes that a logit separates.

    Source: D. R. Cox, Two further applications of a model for binary regression, Biometrika 45 (1958) 562-565.

    Args:
        logit: log(p / (1 - p)) of the predicted probability of outcome, (N,).
        outcome: What happened, (N,).
    """
    if not outcome.any() or outcome.all() or np.ptp(logit) == 0:
        return None
    yes, no = logit[outcome], logit[~outcome]
    if yes.min() >= no.max() or no.min() >= yes.max():
        return None
    from scipy.optimize import minimize
    from scipy.special import expit

    # In units of its own spread, so that one size of step suits both.
    centre, spread = float(logit.mean()), float(logit.std())
    design: NDArray[Any] = np.column_stack([np.ones_like(logit), (logit - centre) / spread])
    truth = outcome.astype(np.float64)

    def loss(beta: NDArray[np.float64]) -> float:
        score = design @ beta
        return float((np.logaddexp(0, score) - truth * score).mean())

    def slope(beta: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(design.T @ (expit(design @ beta) - truth) / len(truth))

    def curvature(beta: NDArray[np.float64]) -> NDArray[np.float64]:
        share = expit(design @ beta)
        return np.asarray((design.T * (share * (1 - share))) @ design / len(truth))

    options = {"maxiter": _ROUNDS, "gtol": 1e-10}
    found = minimize(loss, np.zeros(2), jac=slope, hess=curvature, method="trust-exact", options=options)
    if not np.abs(slope(found.x)).max() < 1e-6:
        return None
    b = float(found.x[1]) / spread
    return float(found.x[0]) - b * centre, b


def _logit(probabilities: NDArray[np.float64], chosen: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give log(p / (1 - p)) of one class an image; 1 - p is the sum of the others, so it is not rounded away."""
    rows = np.arange(len(chosen))
    others = probabilities.copy()
    others[rows, chosen] = 0.0
    found: NDArray[np.float64] = log_probabilities(probabilities[rows, chosen]) - log_probabilities(others.sum(axis=1))
    return found

"""The line on which log-odds of what happens lie over log-odds of what was said."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvrun.metric import Prediction
from cvrun.metric._confidence import confidence

_NEAREST = 2.0**-24
"""The distance to 0 and 1 at which a probability is taken at least: that of float32 below 1."""


def calibration_line(prediction: Prediction) -> dict[str, float | None]:
    """Give slope and intercept of a logistic regression of what happened on the log-odds of what was said.

    Of two classes that is the second class and its probability, of more a hit and the confidence. A slope below 1
    means probabilities that are too extreme; an intercept (with the slope held at 1) below 0 that they are too high.

    Source: B. Van Calster et al., Calibration: the Achilles heel of predictive analytics, BMC Medicine 17 (2019) 230.

    Returns:
        slope, None where a threshold tells all cases apart or there is one probability only, and intercept, None
        where all cases are alike.
    """
    binary = prediction.num_classes == 2
    said = prediction.probabilities[:, 1].astype(np.float64) if binary else confidence(prediction)
    happened = prediction.targets == 1 if binary else prediction.labels == prediction.targets
    near = np.clip(said, _NEAREST, 1 - _NEAREST)
    odds = np.log(near) - np.log1p(-near)
    if happened.all() or not happened.any() or np.isnan(odds).any():
        return {"slope": None, "intercept": None}
    yes, no = odds[happened], odds[~happened]
    apart = yes.min() >= no.max() or no.min() >= yes.max()
    return {"slope": None if apart else _slope(odds, happened), "intercept": _intercept(odds, happened)}


def _slope(odds: NDArray[np.float64], happened: NDArray[np.bool_]) -> float:
    from scipy.optimize import minimize
    from scipy.special import expit

    def cost(line: NDArray[np.float64]) -> tuple[Any, NDArray[np.float64]]:
        fitted = line[0] + line[1] * odds
        away = expit(fitted) - happened
        value = np.logaddexp(0, fitted).mean() - (fitted * happened).mean()
        return value, np.array([away.mean(), (away * odds).mean()])

    return float(minimize(cost, np.array([0.0, 1.0]), jac=True, method="BFGS", options={"gtol": 1e-9}).x[1])


def _intercept(odds: NDArray[np.float64], happened: NDArray[np.bool_]) -> float:
    from scipy.optimize import brentq
    from scipy.special import expit

    # Moved this far, all of the log-odds are on the far side of those of the share.
    far = float(np.abs(odds).max()) + float(np.log(len(odds))) + 1
    return float(brentq(lambda moved: float((expit(odds + moved) - happened).mean()), -far, far, xtol=1e-12))

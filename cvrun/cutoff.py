"""Thresholds that are fitted on a split: an operating point, one a class, and one below which nothing is decided.

A threshold is always a score that occurs, and a score counts from it on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvrun.decision import LOWEST
from cvrun.errors import ConfigError

_SLACK = 1e-12
"""Below a target by less than this is on it: 19 / 20 and 0.95 differ in the last bit for some counts."""


@dataclass(frozen=True)
class Rule:
    """How an operating point is chosen.

    Attributes:
        name: target_sens, target_spec, youden or cost.
        target: In (0, 1], of the first two; else 0.
        costs: Of a false positive and of a false negative, each > 0; else (0, 0).
    """

    name: str
    target: float = 0.0
    costs: tuple[float, float] = (0.0, 0.0)


def parse_rule(word: str) -> Rule:
    """Give the rule that a user wrote: target_sens=0.95, target_spec=0.9, youden or cost=FP:FN.

    Raises:
        ConfigError: If it is none of them.
    """
    name, given, text = word.partition("=")
    if name == "youden" and not given:
        return Rule(name)
    if name in ("target_sens", "target_spec"):
        return Rule(name, target=share_of(f"--rule {word}", text))
    if name == "cost":
        numbers = [_number(part) for part in text.split(":")]
        if len(numbers) == 2 and all(0 < number < math.inf for number in numbers):
            return Rule(name, costs=(numbers[0], numbers[1]))
        raise ConfigError(f"--rule {word}: expected cost=FP:FN, two numbers above 0", "cost=1:10")
    raise ConfigError(f"--rule {word}: expected target_sens=S, target_spec=S, youden or cost=FP:FN")


def share_of(what: str, text: str, zero: bool = False) -> float:
    """Give the number that a user wrote after what.

    Args:
        what: Option and value, for the message.
        text: The number.
        zero: Whether 0 is one as well.

    Raises:
        ConfigError: If it is no number above 0 and at most 1.
    """
    number = _number(text)
    if not (0 < number <= 1 or (zero and number == 0)):
        raise ConfigError(f"{what}: expected a number {'from 0 to 1' if zero else 'above 0 and at most 1'}")
    return number


def operating_threshold(rule: Rule, scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """Give the threshold that a rule chooses.

    target_sens: the largest with at least that sensitivity. target_spec: the smallest with at least that specificity.
    youden: the largest sensitivity + specificity - 1. cost: the least FP * cost + FN * cost. Of several that are
    equally good the last two take the smallest: it misses fewer.

    Source: W. J. Youden, Index for rating diagnostic tests, Cancer 3 (1950) 32-35.

    Args:
        rule: What is wanted.
        scores: Calibrated probability of the positive class, (N,), in [0, 1].
        truth: Whether each image is of that class, (N,).

    Raises:
        ConfigError: If one of the kinds is absent, or no threshold does what is wanted.
    """
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if positives == 0 or negatives == 0:
        absent = "of the class" if positives == 0 else "of another class"
        raise ConfigError(f"--rule {rule.name}: no validation image {absent}, expected both kinds")
    # One more, from which nothing is called, if there is room for it below 1.
    above = float(np.nextafter(scores.max(), 2.0))
    each = np.unique(np.append(scores, above) if above <= 1 else scores)
    called_positive = positives - np.searchsorted(np.sort(scores[truth]), each, side="left")
    called_negative = negatives - np.searchsorted(np.sort(scores[~truth]), each, side="left")
    sensitivity, specificity = called_positive / positives, 1 - called_negative / negatives
    if rule.name == "target_sens":
        return float(each[np.flatnonzero(sensitivity >= rule.target - _SLACK)[-1]])
    if rule.name == "target_spec":
        fine = np.flatnonzero(specificity >= rule.target - _SLACK)
        if len(fine) == 0:
            highest = f"the highest is {specificity[-1]:.4f}, since other images have probability 1"
            raise ConfigError(f"--rule target_spec={rule.target:g}: no threshold has it; {highest}")
        return float(each[fine[0]])
    if rule.name == "youden":
        # In whole numbers, so that equal ones are equal.
        return float(each[np.argmax(called_positive * negatives - called_negative * positives)])
    false_positive, false_negative = rule.costs
    return float(each[np.argmin(called_negative * false_positive + (positives - called_positive) * false_negative)])


def class_thresholds(calibrated: NDArray[np.float64], targets: NDArray[np.int64], classes: list[str]) -> list[float]:
    """Give the threshold of each class with the largest F1 of that class against the rest; the smallest of equal ones.

    Args:
        calibrated: Probabilities, (N, K).
        targets: Class indices, (N,).
        classes: Names, for the message.

    Raises:
        ConfigError: If a class has no image, or only such of probability 0.
    """
    found = []
    for k, name in enumerate(classes):
        own = np.sort(calibrated[targets == k, k])
        # Between two scores of its own images a threshold can only call more of the others.
        each = np.unique(own[own >= LOWEST])
        if len(each) == 0:
            fact = "no validation image" if len(own) == 0 else "no validation image of a probability above 0"
            raise ConfigError(f"--thresholds macro_f1: class '{name}' has {fact}, expected at least one")
        hits = len(own) - np.searchsorted(own, each, side="left")
        called = len(calibrated) - np.searchsorted(np.sort(calibrated[:, k]), each, side="left")
        found.append(float(each[np.argmax(2 * hits / (called + len(own)))]))
    return found


@dataclass(frozen=True)
class Selective:
    """What is decided at each threshold on the confidence; the thresholds fall.

    Attributes:
        thresholds: float64 (P,), each a confidence that occurs.
        coverage: Share of images that are decided, float64 (P,).
        risk: Share of errors among them, float64 (P,).
        aurc: Mean risk over all numbers of decided images, from 1 to N; of equal confidence all orders count alike.
    """

    thresholds: NDArray[np.float64]
    coverage: NDArray[np.float64]
    risk: NDArray[np.float64]
    aurc: float


def selective(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> Selective:
    """Give the risk-coverage curve of decisions.

    Source: Y. Geifman, G. Uziel and R. El-Yaniv, Bias-reduced uncertainty estimation for deep neural classifiers,
    ICLR 2019, section 2.

    Args:
        confidence: Of each decision, (N,), N > 0.
        right: Whether it is right, (N,).
    """
    order = np.argsort(-confidence, kind="stable")
    falling, wrong = confidence[order], np.cumsum(~right[order])
    last = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))
    number = np.arange(1, len(falling) + 1)
    # Errors among equal confidences are spread evenly: their mean over all orders.
    spread = np.interp(number, np.append(0, last + 1), np.append(0, wrong[last]))
    coverage = (last + 1) / len(falling)
    return Selective(falling[last], coverage, wrong[last] / (last + 1), float(np.mean(spread / number)))


def reject_threshold(word: str, curve: Selective) -> float:
    """Give the confidence below which an image is rejected.

    coverage=C: the largest that decides at least that share. risk=R: the smallest whose decisions are wrong at most
    that often, on the images that it was fitted on.

    Args:
        word: What the user wrote.
        curve: Of the split.

    Raises:
        ConfigError: If the word is neither, or no threshold does what is wanted.
    """
    name, _, text = word.partition("=")
    if name == "coverage":
        wanted = share_of(f"--reject {word}", text)
        return float(curve.thresholds[np.flatnonzero(curve.coverage >= wanted - _SLACK)[0]])
    if name == "risk":
        limit = share_of(f"--reject {word}", text, zero=True)
        fine = np.flatnonzero(curve.risk <= limit + _SLACK)
        if len(fine) == 0:
            raise ConfigError(f"--reject {word}: no threshold has it; the least risk is {curve.risk.min():.4f}")
        return float(curve.thresholds[fine[-1]])
    raise ConfigError(f"--reject {word}: expected coverage=C or risk=R, such as coverage=0.9")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan

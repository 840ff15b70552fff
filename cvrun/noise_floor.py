"""Noise floor: how far a rate on the validation images would vary on others of the same kind, known before training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cvrun.interval import wilson_of

SHARE = 0.9
"""Rate at which an improvement is judged against the floor."""

WORST = 0.5
"""Rate at which the interval is widest."""

_EACH_IMAGE = ("accuracy", "top3_accuracy", "top5_accuracy")
_EACH_CLASS = ("balanced_accuracy", "macro_recall")


@dataclass(frozen=True)
class NoiseFloor:
    """What the number of validation images allows to be known.

    Attributes:
        metric: The rate that it is about, such as accuracy.
        monitored: Whether that rate is the monitor.
        images: For validation.
        cases: Independent images with which accuracy would vary as much, if all classes have the same rate.
        groups: That the images are in; 0 where the data has none.
    """

    metric: str
    monitored: bool
    images: int
    cases: float
    groups: int

    def half_width(self, share: float) -> float:
        """Give half the width of Wilson's 95% interval of the rate.

        Args:
            share: The rate, in [0, 1].
        """
        return _half_width(share, self.cases)

    def line(self) -> str:
        """Give in words how far the rate is known."""
        said = f"95% interval of {self.metric} on {self.images:,} validation images: {_pair(self.cases)}"
        if self.groups:
            said += f"; groups make it wider, up to {_pair(self.groups)} if the images of a group are all alike"
            said += f" ({self.groups:,} groups)"
        return said if self.monitored else f"{said}; the monitor is another metric"

    def warning(self, min_delta: float, delta_mode: str) -> str | None:
        """Give a line where improvements count that are below the floor, and the user has said from where they do.

        Without min_delta every improvement counts, which is for the best weights alone no harm.

        Args:
            min_delta: monitor.min_delta.
            delta_mode: "abs", or "rel": min_delta is a fraction of the best score.
        """
        least = min_delta * SHARE if delta_mode == "rel" else min_delta
        floor = self.half_width(SHARE)
        if not self.monitored or not 0 < least < floor:
            return None
        shown = f" ({least:.2g} at {SHARE:g})" if delta_mode == "rel" else ""
        return (
            f"monitor.min_delta={min_delta:g}{shown} is below +-{floor:.2g}, the 95% interval of {self.metric} at"
            f" {SHARE:g} on {self.images:,} validation images: smaller gains than that may not hold on other images"
        )


def noise_floor(monitor: str, counts: Sequence[int], groups: int, several: bool = False) -> NoiseFloor:
    """Give the floor of a monitor that is a rate of images, or else that of accuracy.

    The variance of a mean of the rates of K classes is that of accuracy on K^2 / sum(1 / n_k) images, where the classes
    have n_k images and the same rate.

    Args:
        monitor: Such as val/accuracy.
        counts: Validation images of each class, at least one image in all.
        groups: For validation; 0 where the data has none.
        several: Whether an image may have any number of labels: then the classes are sets of them, and the rate is
            that of sets that are right.
    """
    name = monitor.rpartition("/")[2]
    images = sum(counts)
    if several:
        return NoiseFloor("subset_accuracy", name == "subset_accuracy", images, float(images), groups)
    if name in _EACH_CLASS:
        present = [count for count in counts if count]
        return NoiseFloor(name, True, images, len(present) ** 2 / sum(1 / count for count in present), groups)
    monitored = name in _EACH_IMAGE
    return NoiseFloor(name if monitored else "accuracy", monitored, images, float(images), groups)


def _half_width(share: float, cases: float) -> float:
    low, high = wilson_of(share, cases)
    return (high - low) / 2


def _pair(cases: float) -> str:
    return " and ".join(f"+-{_half_width(share, cases):.2g} at {share:g}" for share in (SHARE, WORST))

import math

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from cvrun.noise_floor import noise_floor


def test_the_half_width_is_that_of_wilsons_formula():
    # Wilson 1927: z sqrt(p q / n + z^2 / 4 n^2) / (1 + z^2 / n); checklist M9: 36/40 has .769 to .960.
    floor = noise_floor("val/accuracy", [20, 20], 0)
    assert floor.half_width(0.9) == pytest.approx((0.9604 - 0.7695) / 2, abs=1e-3)
    z = 1.959964
    wanted = z * math.sqrt(0.25 / 40 + z * z / 6400) / (1 + z * z / 40)
    assert floor.half_width(0.5) == pytest.approx(wanted, rel=1e-6)


def test_the_line_says_both_rates_and_of_which_metric():
    # 1.96 sqrt(.09 / 10000) = .00588, 1.96 sqrt(.25 / 10000) = .0098.
    said = noise_floor("val/accuracy", [5000, 5000], 0).line()
    assert said == "95% interval of accuracy on 10,000 validation images: +-0.0059 at 0.9 and +-0.0098 at 0.5"
    assert noise_floor("val/ema/accuracy", [5000, 5000], 0).line() == said
    assert noise_floor("val/top5_accuracy", [5000, 5000], 0).metric == "top5_accuracy"
    other = noise_floor("val/loss", [5000, 5000], 0)
    assert other.line() == f"{said}; the monitor is another metric" and not other.monitored


def test_groups_make_it_as_wide_as_if_each_were_one_image():
    floor = noise_floor("val/accuracy", [500, 500], 40)
    # Wilson at 36/40 again.
    assert "groups make it wider, up to +-0.095 at 0.9 and +-0.15 at 0.5" in floor.line()
    assert "(40 groups)" in floor.line()


def test_a_mean_over_classes_varies_more_where_they_differ_in_size():
    same = noise_floor("val/balanced_accuracy", [50, 50], 0)
    assert same.half_width(0.9) == pytest.approx(noise_floor("val/accuracy", [50, 50], 0).half_width(0.9))
    counts = np.array([400, 25])
    # By simulation: the standard deviation of balanced accuracy, all classes recognized at the rate .8.
    random = np.random.default_rng(0)
    targets = np.repeat([0, 1], counts)
    scores = [
        balanced_accuracy_score(targets, np.where(random.random(425) < 0.8, targets, 1 - targets)) for _ in range(2000)
    ]
    cases = noise_floor("val/macro_recall", [400, 25, 0], 0).cases
    assert math.sqrt(0.8 * 0.2 / cases) == pytest.approx(float(np.std(scores)), rel=0.06)


def test_a_smallest_gain_below_the_floor_is_warned_of():
    # The floor is .0059.
    floor = noise_floor("val/accuracy", [5000, 5000], 0)
    said = floor.warning(0.005, "abs")
    assert said is not None and said.startswith(
        "monitor.min_delta=0.005 is below +-0.0059, the 95% interval of accuracy"
    )
    assert floor.warning(0.006, "abs") is None


def test_a_relative_gain_is_converted():
    floor = noise_floor("val/accuracy", [5000, 5000], 0)
    # .0062 of .9 is .0056, below the floor; .0066 of it .0059, above .00588.
    said = floor.warning(0.0062, "rel")
    assert said is not None and "monitor.min_delta=0.0062 (0.0056 at 0.9) is below" in said
    assert floor.warning(0.0062, "abs") is None
    assert floor.warning(0.0066, "rel") is None


def test_no_warning_without_min_delta_or_in_another_unit():
    assert noise_floor("val/accuracy", [5, 5], 0).warning(0.0, "abs") is None
    assert noise_floor("val/loss", [5, 5], 0).warning(0.001, "abs") is None


def test_of_labels_it_is_that_of_sets_that_are_right():
    floor = noise_floor("val/macro_recall", (5, 0, 95), 0, several=True)
    assert (floor.metric, floor.monitored, floor.images, floor.cases) == ("subset_accuracy", False, 100, 100.0)
    assert noise_floor("val/subset_accuracy", (5, 95), 0, several=True).monitored

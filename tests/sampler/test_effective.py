import numpy as np
import pytest

from cvrun.errors import RuleError
from cvrun.sampler._effective import check_beta, effective_number


def test_it_is_the_sum_of_the_powers_of_beta():
    # Cui et al. 2019, equation 3: (1 - b**n) / (1 - b) = 1 + b + ... + b**(n - 1).
    counts = np.array([1, 2, 5, 40])
    for beta in (0.5, 0.9, 0.999):
        expected = [sum(beta**power for power in range(n)) for n in counts]
        assert effective_number(counts, beta) == pytest.approx(expected, rel=1e-9)


def test_its_ends_are_one_and_the_number_of_images():
    counts = np.array([1, 10, 1000])
    assert effective_number(counts, 0.0).tolist() == [1, 1, 1]
    assert effective_number(counts, 1 - 1e-9) == pytest.approx(counts, rel=1e-5)


def test_many_images_are_no_more_than_the_limit():
    assert effective_number(np.array([10_000_000]), 0.99) == pytest.approx([100.0])


def test_beta_is_named_by_its_key():
    with pytest.raises(RuleError, match="class_weights_beta=1.0: expected 0 <= class_weights_beta < 1"):
        check_beta("class_weights_beta", 1.0)

from typing import Any

import numpy as np
import pytest

from cvrun.pipeline.levels import UnfitError, levels


def test_eight_bits_stay_and_sixteen_are_scaled() -> None:
    whole = np.arange(256, dtype=np.uint8)
    assert levels(whole, None) is whole
    deep = np.arange(65536, dtype=np.uint16)
    # Halves do not occur: v / 257 has a remainder of at most 256.
    np.testing.assert_array_equal(levels(deep, None), np.rint(deep * (255 / 65535)).astype(np.uint8))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int16, np.int32, np.float32, np.float64])
def test_a_range_is_linear_cut_and_rounded(kind: Any) -> None:
    # (v - 10) * 255 / 100: 10 -> 0, 60 -> 127.5 -> 128 (to even), 61 -> 130.05, 110 -> 255, beyond is cut.
    found = levels(np.array([0, 10, 11, 60, 61, 110, 120], dtype=kind), (10, 110))
    assert found.tolist() == [0, 0, 3, 128, 130, 255, 255]
    assert found.dtype == np.uint8


def test_a_range_may_have_fractions_and_signs() -> None:
    assert levels(np.array([-1.0, -0.5, 0.0, 1.0, np.inf, -np.inf]), (-1, 1)).tolist() == [0, 64, 128, 255, 255, 0]


def test_values_beyond_all_numbers_are_above_the_range() -> None:
    # (1.5e308 + 1.5e308) and 1.5e308 * 255 are above the largest float64.
    assert levels(np.array([1.5e308, -1.5e308, 0.0]), (-1.5e305, 1.5e305)).tolist() == [255, 0, 128]


def test_a_range_changes_nothing_of_what_it_is_given() -> None:
    for kind in (np.float64, np.uint16):
        values = np.array([1, 2, 3], kind)
        levels(values, (0, 10))
        assert values.tolist() == [1, 2, 3]


def test_what_is_not_a_number_is_an_error() -> None:
    with pytest.raises(UnfitError, match="1 of its 2 values are not a number, expected numbers"):
        levels(np.array([np.nan, 1.0]), (0, 1))


@pytest.mark.parametrize("kind", [np.int16, np.uint32, np.float32, np.float64])
def test_values_without_a_range_are_an_error_that_says_what_they_are(kind: Any) -> None:
    with pytest.raises(UnfitError) as caught:
        levels(np.array([3, 4095], dtype=kind), None)
    assert caught.value.reason == f"its {np.dtype(kind)} values (from 3 to 4095) have no defined range"
    assert caught.value.hint == "set data.value_range=[LOW,HIGH]"

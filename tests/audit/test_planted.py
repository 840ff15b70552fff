import numpy as np
from planted import brighter, picture, reencoded, smaller


def test_pictures_differ_and_copies_differ_a_little():
    a, b = (np.asarray(picture(seed), dtype=float) for seed in (0, 1))
    assert np.abs(a - b).mean() > 20
    assert 0 < np.abs(a - np.asarray(reencoded(picture(0), 75), dtype=float)).mean() < 10
    assert (np.asarray(brighter(picture(0), 5), dtype=float) - a == 5).all()
    assert smaller(picture(0), 0.5).size == (24, 24)

import math

import numpy as np
import pytest
import torch

from cvrun.errors import RuleError
from cvrun.normalize._curve import FUNCTIONS, Curve, require_scale

NUMPY = {"log1p": np.log1p, "exp_sat": lambda t: 1 - np.exp(-t), "tanh": np.tanh, "atan": np.arctan}
UNDONE = {"log1p": np.expm1, "exp_sat": lambda y: -np.log(1 - y), "tanh": np.arctanh, "atan": np.tan}
LEVELS = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)


def test_every_function_is_checked():
    assert set(NUMPY) == set(UNDONE) == set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_b4_forward_and_back_are_those_of_numpy(name):
    """On the checklist's range 0 to 6, in the numbers of the machine."""
    t = np.linspace(0, 6, 601)
    y = FUNCTIONS[name].forward(torch.from_numpy(t.copy()))
    np.testing.assert_allclose(y, NUMPY[name](t), rtol=1e-14)
    np.testing.assert_allclose(FUNCTIONS[name].back(y), UNDONE[name](NUMPY[name](t)), rtol=1e-9)
    assert (FUNCTIONS[name].back(y) - torch.from_numpy(t)).abs().max() < 1e-6


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("scale", [0.01, 1.0, 6.0])
def test_levels_are_bent_as_numpy_bends_them(name, scale):
    expected = NUMPY[name](scale * np.arange(256) / 255)
    for given in (LEVELS, LEVELS.float()):
        np.testing.assert_allclose(Curve(name, scale)(given).flatten(), expected, rtol=1e-6)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_at_the_largest_scale_the_levels_stay_apart(name):
    curve = Curve(name, FUNCTIONS[name].largest)
    found = curve(LEVELS)
    assert (found.flatten().diff() > 0).all()
    assert torch.equal(curve.inverse(found).round().byte(), LEVELS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_no_level_gives_becomes_the_bound(name):
    far = torch.tensor([-1e30, -1.0, 1.0, 1.6, 1e30]).view(1, 1, 1, 5)
    found = Curve(name, 2.0).inverse(far).flatten()
    assert found.isfinite().all() and found[[0, 1]].tolist() == [0, 0] and found[-1] > 254.999


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf, 1e7])
def test_a_scale_out_of_range_is_an_error(name, scale):
    with pytest.raises(RuleError, match="expected 0 < scale <= "):
        require_scale(name, scale)


def test_the_formula_is_said():
    said = {name: Curve(name, 3.0).described() for name in FUNCTIONS}
    assert said == {
        "log1p": "log(1 + 3 x), x from 0 to 1",
        "exp_sat": "1 - exp(-3 x), x from 0 to 1",
        "tanh": "tanh(3 x), x from 0 to 1",
        "atan": "arctan(3 x), x from 0 to 1",
    }

"""TENSOR-13, TENSOR-14: functions against values computed to a hundred digits and more."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from synnergy.tensor import numerics
from tests.tensor.core import exact
from tests.tensor.core.building import bits, uniform

#: Largest error in units of the last place: of float32 (rounded once) and of float64.
FLOAT32_ULPS = Fraction(500001, 1000000)
FLOAT64_ULPS = 3

INSIDE = {
    "log": (0.0, math.inf),
    "log1p": (-1.0, math.inf),
    "sqrt": (0.0, math.inf),
    "asin": (-1.0, 1.0),
    "acos": (-1.0, 1.0),
    "acosh": (1.0, math.inf),
    "atanh": (-1.0, 1.0),
    "exp": (-745.0, 709.7),
    "expm1": (-745.0, 709.7),
    "sigmoid": (-708.0, 745.0),
    "softplus": (-708.0, 745.0),
    "tanh": (-300.0, 300.0),
    "sinh": (-709.7, 709.7),
    "cosh": (-709.7, 709.7),
}


def arguments(name: str, dtype: str, count: int) -> list[float]:
    """Ordinary, tiny, huge and random arguments inside the function's domain."""
    ordinary = uniform(name, (count,), dtype, 8.0)
    wide = uniform(name + "w", (count // 2,), dtype, 180.0)
    anything = bits(name, count, dtype)
    near_one = (1 + uniform(name + "1", (count // 4,), "float64", 1e-3)).astype(dtype)
    fixed = np.array([0.5, -0.5, 1.0, -1.0, 2.0, 1e-40, -1e-30, 3.0, 10.0, 1e-8], dtype)
    low, high = INSIDE.get(name, (-math.inf, math.inf))
    every = np.concatenate([ordinary, wide, anything, near_one, fixed])
    return [x for x in every.tolist() if math.isfinite(x) and low <= x <= high and x != 0]


def error(name: str, x: float, y: float, dtype: str) -> Fraction:
    """In units of the last place of the true value."""
    digits = 120 + (330 if abs(x) > 1e15 and name in ("sin", "cos", "tan") else 0)
    digits += 2 * max(0, -math.frexp(x)[1]) // 3  # 1 + x must not lose a tiny x
    true = exact.function(name, x, min(digits, 800))
    return abs(Fraction(y) - true) / exact.ulp(true, dtype)


@pytest.mark.parametrize("name", sorted(exact.FUNCTIONS))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_functions_are_accurate(name: str, dtype: str) -> None:
    xs = arguments(name, dtype, 40)
    ys = getattr(numerics, name)(np.array(xs, dtype))
    limit = FLOAT32_ULPS if dtype == "float32" else FLOAT64_ULPS
    for x, y in zip(xs, ys.tolist(), strict=True):
        if math.isfinite(y):
            assert error(name, x, y, dtype) <= limit, (x, y)
        else:
            digits = exact.function(name, x) if abs(x) < 1 else None
            largest = float(np.finfo(dtype).max)
            assert digits is None or abs(digits) > largest or abs(x) == 1, (x, y)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_powers_are_accurate(dtype: str) -> None:
    x = np.abs(uniform("px", (150,), dtype, 20.0)) + np.array(0.001, dtype)
    y = uniform("py", (150,), dtype, 30.0)
    for a, b, result in zip(x.tolist(), y.tolist(), numerics.power(x, y).tolist(), strict=True):
        true = exact.power(a, b)
        limit = FLOAT32_ULPS if dtype == "float32" else 1
        assert abs(Fraction(result) - true) / exact.ulp(true, dtype) <= limit


def test_exact_powers_are_exact() -> None:
    x = np.concatenate([uniform("ex", (500,)), np.arange(-40, 41, dtype=np.float32)])
    x = x.astype(np.float32)
    wide = x.astype(np.float64)
    assert numerics.power(x, np.float32([2])).tolist() == (x * x).tolist()
    assert numerics.power(x, np.float32([1])).tolist() == x.tolist()
    assert numerics.power(wide, np.array([1.0])).tolist() == wide.tolist()
    small = np.arange(1, 60, dtype=np.float64)
    for exponent in range(9):
        wanted = [float(int(v) ** exponent) for v in small if int(v) ** exponent < 2**53]
        assert numerics.power(small, np.array(float(exponent)))[: len(wanted)].tolist() == wanted
    roots = numerics.power(np.abs(x), np.float32([0.5]))
    assert roots.tolist() == np.sqrt(np.abs(x)).tolist()


def test_powers_of_special_values_are_those_of_ieee() -> None:
    values = [0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, 0.5, -0.5, 2.0, -2.0, 3.0]
    values += [-3.0, 1e300, -1e300, 5e-324, 2.0**53, 2.0**54 + 4]
    for x in values:
        for y in values:
            try:
                wanted = math.pow(x, y)
            except OverflowError:
                wanted = -math.inf if x < 0 and y % 2 == 1 else math.inf
            except ValueError:
                negative_zero = math.copysign(1, x) < 0 and y % 2 == 1
                wanted = math.nan if x else -math.inf if negative_zero else math.inf
            ours = float(numerics.power(np.array(x), np.array(y)))
            if math.isfinite(wanted) and wanted not in (0.0, 1.0):
                assert abs(ours - wanted) <= abs(wanted) * 3e-16
            else:
                assert exact.same(ours, wanted), (x, y, ours)


def test_integer_powers_wrap_around() -> None:
    x = np.array([-3, -2, -1, 0, 1, 2, 3, 7], np.int32)
    for y in range(-3, 40):
        ours = numerics.power(x, np.array(y, np.int64)).tolist()
        for base, result in zip(x.tolist(), ours, strict=True):
            if y >= 0:
                assert (result - base**y) % 2**32 == 0
            else:
                assert result == (0 if abs(base) != 1 else base ** (y % 2))
    assert numerics.power(x, np.array(0.5, np.float32)).dtype == np.int32


SPECIAL = {
    "exp": [(math.inf, math.inf), (-math.inf, 0.0), (-0.0, 1.0), (1e300, math.inf), (-1e300, 0.0)],
    "expm1": [(math.inf, math.inf), (-math.inf, -1.0), (-0.0, -0.0), (5e-324, 5e-324)],
    "log": [(0.0, -math.inf), (-0.0, -math.inf), (-1.0, math.nan), (math.inf, math.inf)],
    "log1p": [(-1.0, -math.inf), (-2.0, math.nan), (-0.0, -0.0), (math.inf, math.inf)],
    "tanh": [(math.inf, 1.0), (-math.inf, -1.0), (-0.0, -0.0), (5e-324, 5e-324)],
    "sigmoid": [(math.inf, 1.0), (-math.inf, 0.0), (0.0, 0.5)],
    "softplus": [(math.inf, math.inf), (-math.inf, 0.0)],
    "sqrt": [(-0.0, -0.0), (-1.0, math.nan), (math.inf, math.inf)],
    "sin": [(math.inf, math.nan), (-0.0, -0.0), (5e-324, 5e-324)],
    "cos": [(-math.inf, math.nan), (-0.0, 1.0)],
    "tan": [(math.inf, math.nan), (-0.0, -0.0)],
    "atan": [(math.inf, math.pi / 2), (-math.inf, -math.pi / 2), (-0.0, -0.0)],
    "asin": [(1.0, math.pi / 2), (-1.5, math.nan), (-0.0, -0.0)],
    "acos": [(1.0, 0.0), (-1.0, math.pi), (2.0, math.nan)],
    "sinh": [(math.inf, math.inf), (-math.inf, -math.inf), (-0.0, -0.0)],
    "cosh": [(-math.inf, math.inf), (0.0, 1.0)],
    "asinh": [(-math.inf, -math.inf), (-0.0, -0.0)],
    "acosh": [(1.0, 0.0), (0.5, math.nan), (math.inf, math.inf)],
    "atanh": [(1.0, math.inf), (-1.0, -math.inf), (2.0, math.nan), (-0.0, -0.0)],
    "erf": [(math.inf, 1.0), (-math.inf, -1.0), (-0.0, -0.0)],
    "reciprocal": [(0.0, math.inf), (-0.0, -math.inf), (math.inf, 0.0)],
}


@pytest.mark.parametrize("name", sorted(SPECIAL))
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_special_values(name: str, dtype: str) -> None:
    with np.errstate(all="ignore"):
        check_special_values(name, dtype)


def check_special_values(name: str, dtype: str) -> None:
    function = getattr(numerics, name)
    assert np.isnan(function(np.array([math.nan], dtype))).all()
    for x, wanted in SPECIAL[name]:
        argument = np.array([x]).astype(dtype)
        if argument[0] != x and x != 0 and math.isfinite(x):
            continue  # not a number of this type
        result = float(function(argument)[0])
        assert exact.same(result, float(np.array(wanted).astype(dtype))), (x, result)


@pytest.mark.parametrize("name", ["exp", "log", "tanh", "sigmoid", "erf", "sin", "power"])
def test_shape_and_chunks_do_not_change_bits(name: str) -> None:
    x = np.abs(uniform(name, (70001,)))
    two = (np.full(1, 1.5, np.float32),) if name == "power" else ()
    function = getattr(numerics, name)
    whole = function(x, *two)
    assert whole[::1000].tobytes() == function(x[::1000].copy(), *two).tobytes()
    assert function(x[:12].reshape(3, 4).T, *two).T.tobytes() == whole[:12].tobytes()
    assert function(x[:1].reshape(()), *two).reshape(-1).tobytes() == whole[:1].tobytes()
    assert function(x[:0], *two).shape == (0,)

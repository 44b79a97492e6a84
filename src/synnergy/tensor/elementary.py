"""Exponential and logarithmic functions from additions, multiplications and divisions only.

TENSOR-13: a function of float32 or float16 is evaluated in float64 and rounded once; of float64,
by the same formula. No library function is used whose bits vary with the machine. Coefficients
are rationals, constants are decimal expansions, each rounded once to float64.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from decimal import Context, Decimal
from fractions import Fraction
from math import factorial

import numpy as np

from synnergy.tensor.environment import quiet
from synnergy.tensor.types import Array

_PRECISE = Context(prec=60)
_LN2 = _PRECISE.ln(Decimal(2))
#: ln 2 in two parts: the first has 32 bits, so that small integers times it are exact.
LN2_HIGH = int(_PRECISE.multiply(_LN2, Decimal(2**32))) / 2**32
LN2_LOW = float(_PRECISE.subtract(_LN2, Decimal(LN2_HIGH)))
INVERSE_LN2 = float(_PRECISE.divide(Decimal(1), _LN2))

# e^r = 1 + r + r^2 (1/2! + r/3! + …): up to r^14 the rest is below 2^-58 for |r| <= ln(2) / 2.
_EXP_TERMS = [float(Fraction(1, factorial(n))) for n in range(2, 15)]
# log((1 + s) / (1 - s)) = 2s + s (2/3 s^2 + 2/5 s^4 …): |s| <= 0.1716 leaves less than 2^-60.
_LOG_TERMS = [float(Fraction(2, 2 * n + 1)) for n in range(1, 12)]

_CHUNK = 1 << 15

Kernel = Callable[[Array], Array]


def elementwise(kernel: Kernel) -> Kernel:
    """Lift a float64 kernel to float16, float32 and float64 arrays of any shape, in chunks."""

    @functools.wraps(kernel)
    @quiet
    def lifted(x: Array) -> Array:
        flat: Array = np.ascontiguousarray(x).reshape(-1)
        result: Array = np.empty(flat.shape, x.dtype)
        for begin in range(0, flat.size, _CHUNK):
            chunk = flat[begin : begin + _CHUNK]
            result[begin : begin + _CHUNK] = kernel(chunk.astype(np.float64))
        return result.reshape(x.shape)

    return lifted


def polynomial(terms: list[float], x: Array) -> Array:
    """Horner's rule, lowest term first in `terms`, a multiplication and an addition each."""
    total = np.full_like(x, terms[-1])
    for term in reversed(terms[:-1]):
        total *= x
        total += term
    return total


def power_of_two(exponent: Array) -> Array:
    """2.0 ** exponent for int64 exponents in -1022..1023, from the bits."""
    return ((exponent + 1023) << 52).view(np.float64)


def _scale(x: Array, exponent: Array) -> Array:
    """x times 2 ** exponent in two steps, so that only the last can round or overflow."""
    first = exponent >> 1
    return (x * power_of_two(first)) * power_of_two(exponent - first)


def _integer(x: Array) -> Array:
    """Integral float64 to int64; NaN becomes 0 (its result is NaN through the fraction)."""
    return np.where(np.isnan(x), 0.0, x).astype(np.int64)


def _expm1_reduced(x: Array, low: Array | None = None) -> tuple[Array, Array]:
    """(f, k) with e ** (x + low) = (1 + f) * 2 ** k and |f| < 0.42."""
    k = np.rint(x * INVERSE_LN2)
    high = x - k * LN2_HIGH
    rest = k * LN2_LOW if low is None else k * LN2_LOW - low
    r = high - rest
    lost = (high - r) - rest
    return r + (r * r * polynomial(_EXP_TERMS, r) + lost), _integer(k)


def exp64(x: Array, low: Array | None = None) -> Array:
    """float64 e ** (x + low); NaN gives NaN, -inf +0, inf inf; results may be subnormal."""
    if low is not None:
        low = np.where(np.abs(x) < 800.0, low, 0.0)
    f, k = _expm1_reduced(np.clip(x, -800.0, 800.0), low)
    return _scale(1.0 + f, k)


def expm1_64(x: Array) -> Array:
    """float64 e ** x - 1 without cancellation; -0 stays -0, -inf gives -1."""
    f, k = _expm1_reduced(np.clip(x, -64.0, 800.0))
    half = power_of_two(np.minimum(k, 1024) - 1)
    result = (half * f + (half - 0.5)) * 2.0
    return np.where(x == 0, x, np.where(k > 1024, np.inf, np.where(k == 0, f, result)))


def split_exponent(x: Array) -> tuple[Array, Array]:
    """(m, e) with x = m * 2 ** e and m in [sqrt(1/2), sqrt(2)) for positive finite x."""
    subnormal = x < 2.0**-1022
    bits = np.where(subnormal, x * 2.0**54, x).view(np.int64)
    exponent = (bits >> 52) - 1023 - np.where(subnormal, 54, 0)
    m = ((bits & ((1 << 52) - 1)) | (1023 << 52)).view(np.float64)
    large = m >= 1.4142135623730951
    return np.where(large, m * 0.5, m), exponent + large


def log64(x: Array, correction: Array | None = None) -> Array:
    """float64 ln(x + correction), the correction far below x's last bit.

    ±0 gives -inf; below zero and NaN give NaN; inf gives inf.
    """
    m, exponent = split_exponent(x)
    f = m - 1.0
    k = exponent.astype(np.float64)
    s = f / (2.0 + f)
    z = s * s
    half_square = 0.5 * f * f
    rest = z * polynomial(_LOG_TERMS, z)
    low = k * LN2_LOW if correction is None else k * LN2_LOW + correction / x
    result = k * LN2_HIGH - ((half_square - (s * (half_square + rest) + low)) - f)
    result = np.where(x == np.inf, np.inf, result)
    return np.where(x > 0, result, np.where(x == 0, -np.inf, np.nan))


def log1p_64(x: Array) -> Array:
    """float64 ln(1 + x): -1 gives -inf, below NaN; -0 stays -0."""
    u = 1.0 + x
    result = log64(u, np.where(np.isinf(u), 0.0, x - (u - 1.0)))
    return np.where(u == 1.0, x, result)


def sigmoid64(x: Array) -> Array:
    """float64 1 / (1 + e ** -x); -inf gives +0, inf gives 1."""
    e = exp64(-np.abs(x))
    return np.where(x < 0, e, 1.0) / (1.0 + e)


def tanh64(x: Array) -> Array:
    """float64 hyperbolic tangent, from e ** 2x - 1; odd, ±0 stays."""
    t = expm1_64(2.0 * np.clip(np.abs(x), 0.0, 22.0))
    return np.copysign(t / (t + 2.0), x)


def softplus64(x: Array) -> Array:
    """float64 ln(1 + e ** x) = max(x, 0) + ln(1 + e ** -|x|)."""
    return np.where(x < 0, 0.0, x) + log1p_64(exp64(-np.abs(x)))


@elementwise
def exp(x: Array) -> Array:
    """e ** x."""
    return exp64(x)


@elementwise
def expm1(x: Array) -> Array:
    """e ** x - 1."""
    return expm1_64(x)


@elementwise
def log(x: Array) -> Array:
    """Natural logarithm; 0 gives -inf, below zero NaN."""
    return log64(x)


@elementwise
def log1p(x: Array) -> Array:
    """Natural logarithm of 1 + x."""
    return log1p_64(x)


@elementwise
def sigmoid(x: Array) -> Array:
    """1 / (1 + e ** -x)."""
    return sigmoid64(x)


@elementwise
def tanh(x: Array) -> Array:
    """Hyperbolic tangent."""
    return tanh64(x)


@elementwise
def softplus(x: Array) -> Array:
    """ln(1 + e ** x)."""
    return softplus64(x)


@elementwise
def sqrt(x: Array) -> Array:
    """Square root, correctly rounded by IEEE 754; below zero NaN, -0 stays -0."""
    return np.sqrt(x)


@quiet
def reciprocal(x: Array) -> Array:
    """1 / x, correctly rounded; ±0 gives ±inf."""
    return np.divide(x.dtype.type(1), x)

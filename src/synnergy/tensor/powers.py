"""x ** y, with the logarithm held in two float64 so that exact powers come out exact.

TENSOR-14: ln x is computed to about 100 bits from a table of ln(j / 128), multiplied by y as an
unevaluated sum, and exponentiated; special values are those of IEEE 754 `pow`.
"""

from __future__ import annotations

from decimal import Context, Decimal

import numpy as np

from synnergy.tensor.casts import cast
from synnergy.tensor.elementary import LN2_HIGH, LN2_LOW, exp64, polynomial, split_exponent
from synnergy.tensor.environment import quiet
from synnergy.tensor.types import Array

_PRECISE = Context(prec=60)
_STEPS = 128
_FIRST = 90  # m >= sqrt(1/2), so that round(128 m) is 90 at least and 181 at most


def _table() -> tuple[Array, Array]:
    """ln(j / 128) for j in 90..181 as two float64 each: the first has 32 fraction bits."""
    logs = [_PRECISE.ln(_PRECISE.divide(Decimal(j), Decimal(_STEPS))) for j in range(_FIRST, 182)]
    high = [int(_PRECISE.multiply(value, Decimal(2**32))) / 2**32 for value in logs]
    pairs = zip(logs, high, strict=True)
    low = [float(_PRECISE.subtract(value, Decimal(first))) for value, first in pairs]
    return np.array(high), np.array(low)


LOG_HIGH, LOG_LOW = _table()
# 2 atanh(s) - 2s = s (2/3 s^2 + 2/5 s^4 + …): |s| < 2^-8 here.
_ATANH_TERMS = [2 / 3, 2 / 5, 2 / 7, 2 / 9, 2 / 11]


def two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """a + b and the exact error of that sum (Knuth)."""
    total = a + b
    shadow = total - a
    return total, (a - (total - shadow)) + (b - shadow)


def two_product(a: Array, b: Array) -> tuple[Array, Array]:
    """a * b and the exact error of that product (Veltkamp, Dekker); no overflow in the split."""
    product = a * b
    split_a = 134217729.0 * a
    high_a = split_a - (split_a - a)
    split_b = 134217729.0 * b
    high_b = split_b - (split_b - b)
    low_a, low_b = a - high_a, b - high_b
    error = ((high_a * high_b - product) + high_a * low_b + low_a * high_b) + low_a * low_b
    return product, error


def log_pair(x: Array) -> tuple[Array, Array]:
    """ln x of positive finite x as an unevaluated sum of two float64."""
    m, exponent = split_exponent(x)
    j = np.rint(m * _STEPS)
    centre = j / _STEPS
    index = np.clip(j, _FIRST, 181).astype(np.int64) - _FIRST
    k = exponent.astype(np.float64)
    # ln m = ln centre + 2 atanh(s), s = (m - centre) / (m + centre); the difference is exact.
    difference = m - centre
    base, base_error = two_sum(m, centre)
    s = difference / base
    back, back_error = two_product(s, base)
    s_low = (((difference - back) - back_error) - s * base_error) / base
    z = s * s
    tail = s * z * polynomial(_ATANH_TERMS, z) + 2.0 * s_low
    tail = tail + (LOG_LOW[index] + k * LN2_LOW)
    high, rest = two_sum(k * LN2_HIGH + LOG_HIGH[index], 2.0 * s)
    return two_sum(high, rest + tail)


def power64(x: Array, y: Array) -> Array:
    """float64 x ** y with the special values of IEEE 754 `pow`."""
    magnitude = np.abs(x)
    plain = (magnitude > 0) & (magnitude < np.inf)
    high, low = log_pair(np.where(plain, magnitude, 1.0))
    # Beyond 2^64 every |x| != 1 under- or overflows; the clip keeps the products finite.
    y_near = np.clip(y, -(2.0**64), 2.0**64)
    product, error = two_product(high, np.where(np.isnan(y_near), 1.0, y_near))
    result = exp64(product, error + low * y_near)
    growing = y > 0
    result = np.where(magnitude == 0, np.where(growing, 0.0, np.inf), result)
    result = np.where(magnitude == np.inf, np.where(growing, np.inf, 0.0), result)
    integral = np.rint(y) == y
    odd = integral & (np.abs(y) < 2.0**53) & (np.rint(y * 0.5) != y * 0.5)
    negative = np.signbit(x)
    result = np.where(negative & odd, -result, result)
    result = np.where(negative & plain & ~integral, np.nan, result)
    unit = magnitude == 1
    result = np.where(unit & np.isinf(y), 1.0, result)
    result = np.where(np.isnan(x) | np.isnan(y), np.nan, result)
    return np.where((y == 0) | (x == 1), 1.0, result)


_CHUNK = 1 << 15


@quiet
def power(x: Array, y: Array) -> Array:
    """x ** y, broadcasting, rounded once to the type of x; y may be any numeric type.

    An integer x is raised exactly, wrapping around, where y is an integer and not negative; else
    both go through float64 and the result is truncated as by a cast.
    """
    if x.dtype.kind in "iu" and y.dtype.kind in "iu":
        return _integer_power(x, y)
    wide_x, wide_y = np.broadcast_arrays(x, y)
    flat_x, flat_y = wide_x.reshape(-1), wide_y.reshape(-1)
    result = np.empty(flat_x.size, x.dtype)
    for begin in range(0, flat_x.size, _CHUNK):
        end = begin + _CHUNK
        part = power64(flat_x[begin:end].astype(np.float64), flat_y[begin:end].astype(np.float64))
        result[begin:end] = cast(part, x.dtype.name)
    return result.reshape(wide_x.shape)


def _integer_power(x: Array, y: Array) -> Array:
    """Square and multiply, wrapping; a negative y gives 1 / x ** -y truncated (0 for x = 0)."""
    base, exponent = (np.array(part) for part in np.broadcast_arrays(x, y))
    negative = exponent < 0
    odd = (exponent & 1) == 1
    result = np.ones(base.shape, x.dtype)
    factor = base.copy()
    left = np.where(negative, np.zeros_like(exponent), exponent)
    while (left != 0).any():
        result = np.where((left & 1) == 1, result * factor, result)
        factor = factor * factor
        left = left >> 1
    inverse: Array = (base == 1).astype(x.dtype)
    if x.dtype.kind == "i":
        alternating: Array = 1 - 2 * odd.astype(x.dtype)
        inverse = np.where(base == -1, alternating, inverse)
    return np.where(negative, inverse, result).astype(x.dtype)

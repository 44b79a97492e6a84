"""Trigonometric and hyperbolic functions and the error function, by the rules of TENSOR-13."""

from __future__ import annotations

from decimal import Context, Decimal
from fractions import Fraction
from functools import cache
from math import factorial

import numpy as np

from synnergy.tensor.elementary import (
    elementwise,
    exp64,
    expm1_64,
    log1p_64,
    log64,
    polynomial,
)
from synnergy.tensor.powers import two_product, two_sum
from synnergy.tensor.types import Array

_SCALE = 1400  # bits of the big-integer constants


def _arctangent_of_inverse(n: int) -> int:
    """atan(1 / n) times 2 ** _SCALE."""
    term = (1 << _SCALE) // n
    total, k = term, 1
    while term:
        term //= -n * n if k == 1 else n * n
        term = abs(term)
        total += (term // (2 * k + 1)) * (-1 if k % 2 else 1)
        k += 1
    return total


#: pi times 2 ** _SCALE by Machin's formula.
_PI = 4 * (4 * _arctangent_of_inverse(5) - _arctangent_of_inverse(239))


def _parts(value: int, widths: tuple[int, ...]) -> list[float]:
    """A number of _SCALE fraction bits as floats of so many fraction bits each, then the rest."""
    parts: list[float] = []
    for width in widths:
        head = value >> (_SCALE - width)
        parts.append(float(Fraction(head, 1 << width)))
        value -= head << (_SCALE - width)
    return [*parts, float(Fraction(value, 1 << _SCALE))]


#: pi / 2 in parts of 33 bits, so that products with integers below 2^20 are exact.
HALF_PI_1, HALF_PI_2, HALF_PI_3 = _parts(_PI // 2, (32, 65))
HALF_PI_HIGH = float(Fraction(_PI, 2 << _SCALE))
HALF_PI_LOW = float(Fraction(_PI, 2 << _SCALE) - Fraction(HALF_PI_HIGH))
INVERSE_HALF_PI = float(Fraction(2 << _SCALE, _PI))

_SIN_TERMS = [float(Fraction((-1) ** n, factorial(2 * n + 1))) for n in range(1, 10)]
_COS_TERMS = [float(Fraction((-1) ** n, factorial(2 * n))) for n in range(2, 11)]
_ATAN_TERMS = [float(Fraction((-1) ** n, 2 * n + 1)) for n in range(1, 8)]

_LIMB = 27
_MASK = (1 << _LIMB) - 1
_WINDOW = 8
#: 2 / pi times 2^-54 in limbs of 27 bits, most significant first; enough for every float64.
TWO_OVER_PI = np.array(
    [((2 << (2 * _SCALE)) // _PI >> (_SCALE + 54 - _LIMB * (i + 1))) & _MASK for i in range(52)],
    dtype=np.int64,
)


def _reduce_near(x: Array) -> tuple[Array, Array, Array]:
    """(high, low, n) with x = n pi/2 + high + low, for |x| below 2^20 (Cody and Waite)."""
    n = np.rint(x * INVERSE_HALF_PI)
    first = x - n * HALF_PI_1
    high, error = two_sum(first, -(n * HALF_PI_2))
    third, third_error = two_product(n, np.full_like(n, HALF_PI_3))
    high, more = two_sum(high, -third)
    high, low = two_sum(high, error + (more - third_error))
    return high, low, n.astype(np.int64)


def _reduce_far(x: Array) -> tuple[Array, Array, Array]:
    """The same for finite |x| >= 2^20 (Payne and Hanek): the mantissa times a window of 2/pi."""
    bits = x.view(np.int64)
    mantissa = (bits & ((1 << 52) - 1)) | (1 << 52)
    # |x| 2/pi / 4 = mantissa 2^place (2/pi 2^-54); limbs left of the window add whole turns.
    place = ((bits >> 52) & 2047) - 1075 + 54 - 2
    start, shift = place // _LIMB, place % _LIMB
    low = (mantissa & _MASK) << shift
    high = ((mantissa >> _LIMB) << shift) + (low >> _LIMB)
    factors = (low & _MASK, high & _MASK, high >> _LIMB)
    limbs = [np.zeros_like(bits) for _ in range(_WINDOW)]  # least significant first
    for i in range(_WINDOW):
        word = TWO_OVER_PI[start + (_WINDOW - 1 - i)]
        for j, factor in enumerate(factors[: _WINDOW - i]):
            limbs[i + j] = limbs[i + j] + word * factor
    carry = np.zeros_like(bits)
    for i in range(_WINDOW):
        total = limbs[i] + carry
        limbs[i], carry = total & _MASK, total >> _LIMB
    # Two bits of quarter turns, then the fraction of one; from one half on count downwards.
    half = (limbs[-1] >> (_LIMB - 3)) & 1
    n = (limbs[-1] >> (_LIMB - 2)) + half
    limbs[-1] = (limbs[-1] & ((1 << (_LIMB - 2)) - 1)) - (half << (_LIMB - 2))
    unit = [2.0 ** (_LIMB * (i - _WINDOW) + 2) for i in range(_WINDOW)]
    first, error = two_sum(
        limbs[7] * unit[7] + limbs[6] * unit[6], limbs[5] * unit[5] + limbs[4] * unit[4]
    )
    first, rest = two_sum(first, error + (limbs[3] * unit[3] + limbs[2] * unit[2]))
    angle, lost = two_product(first, np.full_like(first, HALF_PI_HIGH))
    angle, rest = two_sum(angle, lost + (first * HALF_PI_LOW + rest * HALF_PI_HIGH))
    sign = np.where(np.signbit(x), -1, 1)
    return angle * sign, rest * sign, n * sign


def _reduce(x: Array) -> tuple[Array, Array, Array]:
    """(high, low, n mod 4) with x = n pi/2 + high + low; NaN and infinities give NaN."""
    magnitude = np.abs(x)
    high, low, n = _reduce_near(np.where(magnitude < 2.0**20, x, 0.0))
    far = (magnitude >= 2.0**20) & (magnitude < np.inf)
    if far.any():
        high[far], low[far], n[far] = _reduce_far(x[far])
    return np.where(np.isfinite(x), high, np.nan), low, n & 3


def _sin_reduced(r: Array, low: Array) -> Array:
    z = r * r
    return r + (r * z * polynomial(_SIN_TERMS, z) + low * (1.0 - 0.5 * z))


def _cos_reduced(r: Array, low: Array) -> Array:
    z = r * r
    half = 0.5 * z
    near = 1.0 - half
    return near + (((1.0 - near) - half) + (z * z * polynomial(_COS_TERMS, z) - r * low))


def _sin_quarters(x: Array, quarters: int) -> Array:
    """sin(x + quarters pi/2)."""
    r, low, n = _reduce(x)
    n = (n + quarters) & 3
    result = np.where((n & 1) == 1, _cos_reduced(r, low), _sin_reduced(r, low))
    return np.where(n >= 2, -result, result)


@elementwise
def sin(x: Array) -> Array:
    """Sine; infinities give NaN, -0 stays -0."""
    return np.where(x == 0, x, _sin_quarters(x, 0))


@elementwise
def cos(x: Array) -> Array:
    """Cosine; infinities give NaN."""
    return _sin_quarters(x, 1)


@elementwise
def tan(x: Array) -> Array:
    """Tangent, sine over cosine; infinities give NaN, -0 stays -0."""
    r, low, n = _reduce(x)
    sine, cosine = _sin_reduced(r, low), _cos_reduced(r, low)
    odd = (n & 1) == 1
    return np.where(x == 0, x, np.where(odd, -cosine, sine) / np.where(odd, sine, cosine))


def _atan_table() -> tuple[Array, Array]:
    """atan(j / 16) for j in 0..16 as two float64 each, from the series of a halved angle."""
    context = Context(prec=60)
    values: list[Decimal] = []
    for j in range(17):
        x = context.divide(Decimal(j), Decimal(16))
        for _ in range(3):  # atan x = 2 atan(x / (1 + sqrt(1 + x^2)))
            root = context.sqrt(context.add(Decimal(1), context.multiply(x, x)))
            x = context.divide(x, context.add(Decimal(1), root))
        square, term, total = context.multiply(x, x), x, Decimal(0)
        for n in range(60):
            part = context.divide(term, Decimal(2 * n + 1))
            total = context.add(total, part) if n % 2 == 0 else context.subtract(total, part)
            term = context.multiply(term, square)
        values.append(context.multiply(total, Decimal(8)))
    high = [float(value) for value in values]
    pairs = zip(values, high, strict=True)
    low = [float(context.subtract(value, Decimal(first))) for value, first in pairs]
    return np.array(high), np.array(low)


ATAN_HIGH, ATAN_LOW = _atan_table()


def atan64(x: Array) -> Array:
    """float64 arc tangent: argument turned to [0, 1], then to within 1/32 of a table entry."""
    magnitude = np.abs(x)
    large = magnitude > 1.0
    a = np.where(large, 1.0 / magnitude, magnitude)
    j = np.rint(np.where(np.isnan(a), 0.0, a) * 16.0)
    centre = j / 16.0
    index = j.astype(np.int64)
    t = (a - centre) / (1.0 + a * centre)
    z = t * t
    rest = t * z * polynomial(_ATAN_TERMS, z) + ATAN_LOW[index]
    near = ATAN_HIGH[index] + (t + rest)
    turned = HALF_PI_HIGH - (ATAN_HIGH[index] + (t + (rest - HALF_PI_LOW)))
    return np.where(x == 0, x, np.copysign(np.where(large, turned, near), x))


@elementwise
def atan(x: Array) -> Array:
    """Arc tangent in (-pi/2, pi/2)."""
    return atan64(x)


@elementwise
def asin(x: Array) -> Array:
    """Arc sine, atan(x / sqrt((1 - x) (1 + x))); NaN outside -1..1."""
    return atan64(x / np.sqrt((1.0 - x) * (1.0 + x)))


@elementwise
def acos(x: Array) -> Array:
    """Arc cosine, 2 atan(sqrt((1 - x) / (1 + x))); NaN outside -1..1."""
    return 2.0 * atan64(np.sqrt((1.0 - x) / (1.0 + x)))


@elementwise
def sinh(x: Array) -> Array:
    """Hyperbolic sine, from e ** |x| - 1."""
    magnitude = np.abs(x)
    t = expm1_64(np.minimum(magnitude, 700.0))
    root = exp64(magnitude * 0.5)
    result = np.where(magnitude < 700.0, 0.5 * (t + t / (t + 1.0)), (0.5 * root) * root)
    return np.copysign(np.where(np.isnan(x), x, result), x)


@elementwise
def cosh(x: Array) -> Array:
    """Hyperbolic cosine, from e ** |x|."""
    root = exp64(np.abs(x) * 0.5)
    e = exp64(np.minimum(np.abs(x), 700.0))
    return np.where(np.abs(x) < 700.0, 0.5 * (e + 1.0 / e), (0.5 * root) * root)


@elementwise
def asinh(x: Array) -> Array:
    """Inverse hyperbolic sine; odd."""
    magnitude = np.abs(x)
    near = np.minimum(magnitude, 2.0**28)
    square = near * near
    result = log1p_64(near + square / (1.0 + np.sqrt(1.0 + square)))
    return np.copysign(np.where(magnitude > 2.0**28, log64(magnitude) + LN2, result), x)


@elementwise
def acosh(x: Array) -> Array:
    """Inverse hyperbolic cosine; NaN below 1."""
    near = np.minimum(x, 2.0**28) - 1.0
    result = log1p_64(near + np.sqrt(2.0 * near + near * near))
    return np.where(x > 2.0**28, log64(x) + LN2, result)


@elementwise
def atanh(x: Array) -> Array:
    """Inverse hyperbolic tangent; ±1 give ±inf, beyond NaN."""
    magnitude = np.abs(x)
    return np.copysign(0.5 * log1p_64(2.0 * magnitude / (1.0 - magnitude)), x)


LN2 = float(Context(prec=60).ln(Decimal(2)))
_ERF_SERIES = 22  # Maclaurin terms for |x| < 1: the first left out is below 2^-65


@cache
def erf_constants() -> tuple[list[float], Array]:
    """Maclaurin terms of erf(x) / x in x^2, and Taylor terms in x - c for c = 1, 1.25 … 6."""
    context = Context(prec=80)
    root_pi = context.sqrt(context.divide(Decimal(_PI), Decimal(1 << _SCALE)))
    two_over_root_pi = Fraction(context.divide(Decimal(2), root_pi))
    series = [
        float(two_over_root_pi * Fraction((-1) ** n, factorial(n) * (2 * n + 1)))
        for n in range(_ERF_SERIES)
    ]
    rows: list[list[float]] = []
    for quarter in range(4, 25):
        c = Fraction(quarter, 4)
        value = two_over_root_pi * sum(
            (
                Fraction((-1) ** n, factorial(n) * (2 * n + 1)) * c ** (2 * n + 1)
                for n in range(180)
            ),
            Fraction(0),
        )
        # y = e^-(c + h)^2 obeys y' = -2 (c + h) y, which gives its Taylor terms one by one.
        square = context.exp(-context.divide(Decimal(quarter**2), Decimal(16)))
        terms = [Fraction(square), -2 * c * Fraction(square)]
        for n in range(1, 14):
            terms.append((-2 * c * terms[n] - 2 * terms[n - 1]) / (n + 1))
        rows.append(
            [float(value)]
            + [float(two_over_root_pi * term / (n + 1)) for n, term in enumerate(terms)]
        )
    return series, np.array(rows).T.copy()


def erf64(x: Array) -> Array:
    """float64 error function; odd; 1 from |x| = 6 on."""
    series, table = erf_constants()
    magnitude = np.abs(x)
    clipped = np.minimum(magnitude, 1.0)
    near = x * polynomial(series, clipped * clipped)
    a = np.clip(np.where(np.isnan(x), 1.0, magnitude), 1.0, 6.0)
    quarter = np.rint(a * 4.0)
    h = a - quarter * 0.25
    rows = table[:, quarter.astype(np.int64) - 4]
    far = rows[-1]
    for row in rows[-2::-1]:
        far = far * h + row
    return np.where(magnitude < 1.0, near, np.where(np.isnan(x), x, np.copysign(far, x)))


@elementwise
def erf(x: Array) -> Array:
    """Error function."""
    return erf64(x)

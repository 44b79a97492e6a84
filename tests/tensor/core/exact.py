"""Independent oracles: rational arithmetic for sums and products, Decimal for functions."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from decimal import Context, Decimal, localcontext
from fractions import Fraction

#: (significant bits, exponent of the smallest subnormal, largest exponent) of each float type.
FORMATS = {"float16": (11, -24, 15), "float32": (24, -149, 127), "float64": (53, -1074, 1023)}


def ulp(value: Fraction, dtype: str) -> Fraction:
    """The distance of neighbours around a value."""
    significant, smallest, _ = FORMATS[dtype]
    if value == 0:
        return Fraction(2) ** smallest
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    exponent += Fraction(2) ** exponent <= abs(value)
    return Fraction(2) ** max(exponent - significant, smallest)


def rounded(value: Fraction, dtype: str, zero: float = 0.0) -> float:
    """The nearest number of the type, ties to even; `zero` is what an exact zero becomes."""
    if value == 0:
        return zero
    unit = ulp(value, dtype)
    steps = value / unit
    whole = steps.numerator // steps.denominator
    rest = steps - whole
    whole += rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole % 2 == 1)
    result = whole * unit
    largest = FORMATS[dtype][2]
    if abs(result) >= Fraction(2) ** (largest + 1):
        return math.copysign(math.inf, result)
    return math.copysign(float(result), value)


def fma(a: float, b: float, c: float, dtype: str = "float32") -> float:
    """a b + c rounded once; NaN and infinities by IEEE 754."""
    if not all(map(math.isfinite, (a, b, c))):
        return a * b + c if math.isinf(a) or math.isinf(b) or a != a or b != b else c
    value = Fraction(a) * Fraction(b) + Fraction(c)
    # An exact zero takes the common sign of product and addend, else +0.
    product_sign = math.copysign(1, a) * math.copysign(1, b)
    both_negative = product_sign < 0 and math.copysign(1, c) < 0
    return rounded(value, dtype, -0.0 if both_negative else 0.0)


def float32_of(pattern: int) -> float:
    return struct.unpack("<f", struct.pack("<I", pattern))[0]


def same(a: float, b: float) -> bool:
    """Equal, both NaN, and zeros of one sign."""
    return (a != a and b != b) or (a == b and math.copysign(1, a) == math.copysign(1, b))


_PRECISE = Context(prec=420)


def _series(x: Decimal, first: Decimal, ratio: Callable[[int], Decimal]) -> Decimal:
    """first + first r(1) + first r(1) r(2) + … until it stops changing."""
    term, total, n = first, first, 0
    while term and abs(term) > abs(total or Decimal(1)) * Decimal(10) ** -(_PRECISE.prec + 2):
        n += 1
        term = term * ratio(n)
        total += term
    return total


def _pi() -> Decimal:
    """Gauss and Legendre's iteration."""
    with localcontext(_PRECISE):
        a, b, t, p = Decimal(1), 1 / Decimal(2).sqrt(), Decimal("0.25"), Decimal(1)
        for _ in range(10):
            following = (a + b) / 2
            b = (a * b).sqrt()
            t -= p * (a - following) ** 2
            a, p = following, 2 * p
        return (a + b) ** 2 / (4 * t)


PI = _pi()


def _sin(x: Decimal) -> Decimal:
    x = x % (2 * PI)
    return _series(x, x, lambda n: -x * x / ((2 * n) * (2 * n + 1)))


def _cos(x: Decimal) -> Decimal:
    x = x % (2 * PI)
    return _series(x, Decimal(1), lambda n: -x * x / ((2 * n - 1) * (2 * n)))


def _atan(x: Decimal) -> Decimal:
    halvings = 0
    while abs(x) > Decimal("0.1"):
        x = x / (1 + (1 + x * x).sqrt())
        halvings += 1
    total, term, n = x, x, 0
    while term and abs(term) > Decimal(10) ** -100 * abs(x):
        n += 1
        term = -term * x * x
        total += term / (2 * n + 1)
    return total * 2**halvings


def _erf(x: Decimal) -> Decimal:
    if abs(x) > 8:
        return Decimal(1).copy_sign(x)
    total, term, n = x, x, 0
    while term and abs(term) > Decimal(10) ** -100 * abs(total):
        n += 1
        term = -term * x * x / n
        total += term / (2 * n + 1)
    return 2 * total / PI.sqrt()


def _expm1(x: Decimal) -> Decimal:
    return x.exp() - 1


def _log1p(x: Decimal) -> Decimal:
    return (1 + x).ln()


#: Functions at high precision, for arguments inside their domain.
FUNCTIONS: dict[str, Callable[[Decimal], Decimal]] = {
    "exp": Decimal.exp,
    "expm1": _expm1,
    "log": Decimal.ln,
    "log1p": _log1p,
    "tanh": lambda x: 1 - 2 / ((2 * x).exp() + 1),
    "sigmoid": lambda x: 1 / (1 + (-x).exp()),
    "softplus": lambda x: (1 + x.exp()).ln(),
    "sqrt": Decimal.sqrt,
    "sin": _sin,
    "cos": _cos,
    "tan": lambda x: _sin(x) / _cos(x),
    "atan": _atan,
    "asin": lambda x: _atan(x / (1 - x * x).sqrt()) if abs(x) < 1 else (PI / 2).copy_sign(x),
    "acos": lambda x: 2 * _atan(((1 - x) / (1 + x)).sqrt()) if x > -1 else PI,
    "sinh": lambda x: (x.exp() - (-x).exp()) / 2,
    "cosh": lambda x: (x.exp() + (-x).exp()) / 2,
    "asinh": lambda x: (abs(x) + (x * x + 1).sqrt()).ln().copy_sign(x),
    "acosh": lambda x: (x + (x * x - 1).sqrt()).ln(),
    "atanh": lambda x: ((1 + x) / (1 - x)).ln() / 2,
    "erf": _erf,
}


def function(name: str, x: float, digits: int = 120) -> Fraction:
    """The value of a function as a rational, right to far more than any float holds."""
    with localcontext(_PRECISE) as context:
        context.prec = digits
        return Fraction(FUNCTIONS[name](Decimal(x)))


def power(x: float, y: float) -> Fraction:
    """x ** y of a positive x."""
    with localcontext(_PRECISE) as context:
        context.prec = 60
        return Fraction((Decimal(x).ln() * Decimal(y)).exp())

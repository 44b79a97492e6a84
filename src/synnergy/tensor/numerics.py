"""Every arithmetic that operators are made of, gathered under one name. TENSOR-10 to TENSOR-15

Operators may also use numpy's + - * / sqrt floor ceil trunc rint abs, comparisons, where and
integer operations: those are exact or correctly rounded everywhere. Never numpy's exp, log, tanh,
power, dot, sum, mean or prod on floats: their bits vary with the machine.
"""

from __future__ import annotations

from synnergy.tensor.casts import canonicalise, cast
from synnergy.tensor.elementary import (
    elementwise,
    exp,
    expm1,
    log,
    log1p,
    reciprocal,
    sigmoid,
    softplus,
    sqrt,
    tanh,
)
from synnergy.tensor.environment import quiet
from synnergy.tensor.powers import power
from synnergy.tensor.products import BLOCK, fma, matmul
from synnergy.tensor.reductions import (
    cumulative_sum,
    maximum,
    minimum,
    ordered_mean,
    ordered_product,
    ordered_sum,
    reduce_maximum,
    reduce_minimum,
    truncated_divide,
)
from synnergy.tensor.trigonometry import (
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atanh,
    cos,
    cosh,
    erf,
    sin,
    sinh,
    tan,
)

__all__ = [
    "BLOCK",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "canonicalise",
    "cast",
    "cos",
    "cosh",
    "cumulative_sum",
    "elementwise",
    "erf",
    "exp",
    "expm1",
    "fma",
    "log",
    "log1p",
    "matmul",
    "maximum",
    "minimum",
    "ordered_mean",
    "ordered_product",
    "ordered_sum",
    "power",
    "quiet",
    "reciprocal",
    "reduce_maximum",
    "reduce_minimum",
    "sigmoid",
    "sin",
    "sinh",
    "softplus",
    "sqrt",
    "tan",
    "tanh",
    "truncated_divide",
]

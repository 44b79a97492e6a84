"""Det: determinants of square matrices by Gaussian elimination.

SHAPE-105: column by column the element of largest magnitude, NaN before all, the first of equal
ones, becomes the pivot; each row below loses (its element / pivot) times the pivot's row, every
operation rounded separately. The determinant is the product of the pivots in order, from 1,
negated for every exchange of rows. A pivot of zero gives +0 times what follows; an empty matrix 1.
float16 is computed in float32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from synnergy.tensor import numerics
from synnergy.tensor.operators import arguments, ordering
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import Array, Node, Refuse, Value, ValueType, Work


def _infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 1, 1)
    x = arguments.required(inputs, 0)
    arguments.one_of(x, arguments.FLOATS, "X")
    if len(x.shape) < 2 or x.shape[-1] != x.shape[-2]:
        raise Refuse(f"a tensor of shape {x.shape} isn't of square matrices")
    return [arguments.tensor(x.dtype, x.shape[:-2])]


def _work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """A product and a difference for every element right of and below each pivot; the searches."""
    n = arguments.required(inputs, 0).shape[-1]
    products = (n - 1) * n * (2 * n - 1) // 6  # the sum of k * k for k below n
    return Work(elements=outputs[0].elements * (2 * products + 2 * n * n))


@numerics.quiet
def _run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    x = arguments.present(inputs, 0)
    size = x.shape[-1]
    wide = np.float32 if x.dtype == np.float16 else x.dtype
    count = math.prod(x.shape[:-2])
    rows = np.array(x, wide).reshape(count, size, size)
    result: Array = np.ones(count, wide)
    line = np.arange(count, dtype=np.int64)
    for column in range(size):
        order = ordering.keys(np.abs(rows[:, column:, column]))
        pivot = column + np.argmax(order, axis=1)
        swapped = rows[line, pivot].copy()
        rows[line, pivot] = rows[:, column]
        rows[:, column] = swapped
        result = result * np.where(pivot == column, swapped[:, column], -swapped[:, column])
        divisor = np.where(swapped[:, column] == 0, result.dtype.type(1), swapped[:, column])
        factors = rows[:, column + 1 :, column] / divisor[:, None]
        below = rows[:, column + 1 :, column + 1 :]
        below -= factors[:, :, None] * swapped[:, None, column + 1 :]
    return [result.astype(x.dtype).reshape(x.shape[:-2])]


register("Det", _infer, _run, _work, since=11)

"""CDist of com.microsoft: distances between all rows of two matrices.

SHAPE-95: the square sum of the differences by TENSOR-12, and its square root where the metric is
euclidean. Differences are taken first, so that equal rows are at distance +0 exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synnergy.tensor import numerics
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import Array, Node, Refuse, Value, ValueType, Work

_METRICS = ("euclidean", "sqeuclidean")

# Differences held at once; the rows of the first matrix are taken in groups that fit.
_CHUNK = 1 << 20


def _infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 2, 2)
    a, b = arguments.required(inputs, 0), arguments.required(inputs, 1)
    dtype = arguments.same_dtype([a, b])
    arguments.one_of(a, ("float32", "float64"), "A")
    arguments.text(node, "metric", "sqeuclidean", _METRICS)
    if len(a.shape) != 2 or len(b.shape) != 2 or a.shape[1] != b.shape[1]:
        raise Refuse(f"rows of {a.shape} and {b.shape} have no distance")
    return [arguments.tensor(dtype, (a.shape[0], b.shape[0]))]


@numerics.quiet
def _run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    a, b = arguments.present(inputs, 0), arguments.present(inputs, 1)
    result = np.empty((a.shape[0], b.shape[0]), a.dtype)
    rows = max(1, _CHUNK // max(b.size, 1))
    for begin in range(0, a.shape[0], rows):
        difference = a[begin : begin + rows, None, :] - b[None, :, :]
        result[begin : begin + rows] = numerics.ordered_sum(difference * difference, 2)
    if arguments.text(node, "metric", "sqeuclidean", _METRICS) == "euclidean":
        result = numerics.sqrt(result)
    return [result]


def _work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """A difference, a square and an addition for each term; a root for each distance."""
    terms = outputs[0].elements * arguments.required(inputs, 0).shape[1]
    roots = arguments.text(node, "metric", "sqeuclidean", _METRICS) == "euclidean"
    return Work(elements=3 * terms, functions=outputs[0].elements if roots else 0)


register("CDist", _infer, _run, _work, domain="com.microsoft")

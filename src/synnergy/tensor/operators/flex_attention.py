"""FlexAttention (ai.onnx.preview): attention whose scores and shares a subgraph may change.

SHAPE-114: Q and K are each multiplied by the square root of the scale; both products follow
TENSOR-10; softmax is that of TENSOR-22, in float32 (float64 of float64 inputs, or where
`softmax_precision` says so). float16 is widened for the second product and rounded once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from synnergy.tensor import numerics
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.activation import softmax
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import (
    DTYPES,
    Array,
    Graph,
    Node,
    Refuse,
    TensorType,
    Value,
    ValueType,
    Work,
)


def _scores(node: Node, inputs: Sequence[Value | None]) -> TensorType:
    """The type of scores and shares. Raises Refuse where the inputs don't fit."""
    arguments.arity(node, inputs, 3, 3)
    q, k, v = (arguments.required(inputs, position) for position in range(3))
    arguments.same_dtype([q, k, v])
    arguments.one_of(q, arguments.FLOATS, "Q")
    if not len(q.shape) == len(k.shape) == len(v.shape) == 4:
        raise Refuse("Q, K and V must be of rank 4")
    batch, heads, length, size = q.shape
    groups, keys = k.shape[1], k.shape[2]
    if k.shape != (batch, groups, keys, size) or v.shape[:3] != k.shape[:3]:
        raise Refuse(f"{q.shape}, {k.shape} and {v.shape} don't fit each other")
    if groups == 0 or heads % groups or keys == 0:
        raise Refuse(f"{heads} heads of queries for {groups} of keys")
    return arguments.tensor(_precision(node, q.dtype), (batch, heads, length, keys))


def _precision(node: Node, dtype: str) -> str:
    code = arguments.integer(node, "softmax_precision", 0)
    if code == 0:
        return "float64" if dtype == "float64" else "float32"
    name = arguments.onnx_dtype(code)
    if name not in arguments.FLOATS:
        raise Refuse(f"softmax_precision {name} isn't supported")
    return name


def _modifiers(node: Node) -> list[Graph | None]:
    return [
        None if node.attribute(name) is None else arguments.subgraph(node, name)
        for name in ("score_mod", "prob_mod")
    ]


def _infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    scores = _scores(node, inputs)
    for graph in _modifiers(node):
        if graph is not None:
            results, _ = scope.infer_graph(graph, [Value(scores)])
            if [result.type for result in results] != [scores]:
                raise Refuse("a subgraph changes the type of scores")
    arguments.number(node, "scale", 0.0)
    q, v = arguments.required(inputs, 0), arguments.required(inputs, 2)
    return [arguments.tensor(q.dtype, (*q.shape[:3], v.shape[3]))]


def _work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """Both products, softmax and the work of the subgraphs."""
    scores = _scores(node, inputs)
    q, v = arguments.required(inputs, 0), arguments.required(inputs, 2)
    count = scores.elements
    total = Work(
        macs=count * (q.shape[3] + v.shape[3]),
        elements=6 * count + sum(value.tensor.elements for value in inputs if value is not None),
        functions=count,
    )
    for graph in _modifiers(node):
        if graph is not None:
            total += scope.infer_graph(graph, [Value(scores)])[1]
    return total


@numerics.quiet
def _run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    q, k, v = (arguments.present(inputs, position) for position in range(3))
    scale = node.attribute("scale")
    factor = 1.0 / math.sqrt(max(q.shape[3], 1)) if scale is None else float(scale)
    root = np.sqrt(np.array(factor, np.float32)).astype(q.dtype)
    shared = q.shape[1] // k.shape[1]
    keys = np.repeat(k * root, shared, axis=1).swapaxes(2, 3)
    precision = DTYPES[_precision(node, arguments.dtype_name(q))]
    shares = numerics.matmul(q * root, keys).astype(precision)
    change_scores, change_shares = _modifiers(node)
    if change_scores is not None:
        (shares,) = scope.run_graph(change_scores, [shares])
    shares = softmax(shares, (3,))
    if change_shares is not None:
        (shares,) = scope.run_graph(change_shares, [shares])
    values = np.repeat(v.astype(shares.dtype), shared, axis=1)
    return [np.array(numerics.matmul(shares, values).astype(v.dtype), order="C")]


register("FlexAttention", _infer, _run, _work, domain="ai.onnx.preview")

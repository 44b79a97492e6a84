"""Losses as inference computes them: NegativeLogLikelihoodLoss, SoftmaxCrossEntropyLoss. SHAPE-120

A position's loss is minus the logarithm at its class times the class's weight, +0 where the class
is `ignore_index`; the mean divides the sum of losses by the sum of weights (TENSOR-12). float16 is
computed in float32 and rounded once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synnergy.tensor import numerics
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.activation import log_softmax
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import Array, BadInput, Node, Refuse, Value, ValueType, Work

_REDUCTIONS = ("none", "sum", "mean")


def _infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    entropy = node.operator == "SoftmaxCrossEntropyLoss"
    arguments.arity(node, inputs, 2, 3, 2 if entropy else 1)
    x, labels = arguments.required(inputs, 0), arguments.required(inputs, 1)
    weights = arguments.optional(inputs, 2)
    arguments.one_of(x, arguments.FLOATS, "the input")
    arguments.one_of(labels, arguments.INDICES, "the target")
    if len(x.shape) < 2 or labels.shape != (x.shape[0], *x.shape[2:]):
        raise Refuse(f"a target of shape {labels.shape} doesn't fit {x.shape}")
    if x.shape[1] == 0:
        raise Refuse("there are no classes")
    if weights is not None and (weights.shape != (x.shape[1],) or weights.dtype != x.dtype):
        raise Refuse(f"weights of shape {weights.shape} don't fit {x.shape}")
    arguments.integer(node, "ignore_index", 0)
    whole = arguments.text(node, "reduction", "mean", _REDUCTIONS) == "none"
    types = [arguments.tensor(x.dtype, labels.shape if whole else ()), x.tensor]
    return [*types[: len(node.outputs)]]


def _work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """Losses, weights and their sums; the logarithms of a softmax where these are computed."""
    x, labels = arguments.required(inputs, 0).tensor, arguments.required(inputs, 1).tensor
    work = Work(elements=6 * labels.elements)
    if node.operator == "NegativeLogLikelihoodLoss":
        return work
    return Work(elements=5 * x.elements, functions=x.elements + labels.elements, steps=0) + work


def _loss(node: Node, logarithms: Array, labels: Array, weights: Array | None) -> Array:
    ignored = node.attribute("ignore_index")
    classes = logarithms.shape[1]
    kept = np.ones(labels.shape, bool) if ignored is None else labels != ignored
    outside = kept & ((labels < 0) | (labels >= classes))
    if outside.any():
        raise BadInput(f"the class {int(labels[outside][0])} isn't one of {classes}")
    places = np.where(kept, labels, 0).astype(np.int64)
    chosen = np.take_along_axis(logarithms, places[:, None], axis=1)[:, 0]
    zero, one = logarithms.dtype.type(0), logarithms.dtype.type(1)
    each = np.where(kept, one if weights is None else weights[places], zero)
    losses = np.where(kept, -chosen * each, zero)
    reduction = node.attribute("reduction", "mean")
    if reduction == "none":
        return losses
    total = numerics.ordered_sum(losses)
    return total if reduction == "sum" else total / numerics.ordered_sum(each)


@numerics.quiet
def _run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    x, labels = arguments.present(inputs, 0), arguments.present(inputs, 1)
    weights = arguments.given(inputs, 2)
    wide = x.astype(np.float32) if x.dtype == np.float16 else x
    logarithms = wide
    if node.operator == "SoftmaxCrossEntropyLoss":
        logarithms = log_softmax(wide, (1,))
    loss = _loss(node, logarithms, labels, None if weights is None else weights.astype(wide.dtype))
    results = [np.asarray(loss).astype(x.dtype), logarithms.astype(x.dtype)]
    return results[: len(node.outputs)]


register("NegativeLogLikelihoodLoss", _infer, _run, _work, since=12)
register("SoftmaxCrossEntropyLoss", _infer, _run, _work, since=12)

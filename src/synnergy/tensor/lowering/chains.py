"""Chains of float32 nodes that only work on each element: one pass over memory for all of them."""

from __future__ import annotations

import math

from synnergy.tensor.kernels.program import Operand
from synnergy.tensor.kernels.steps import Step
from synnergy.tensor.lowering.after import After, Layout, operations_of, take_followers, words
from synnergy.tensor.lowering.registry import Site

#: Columns from which on a row is worth a pass of its own.
_WIDE = 64
#: Operations that one pass does at most.
_MOST = 16


def chain(site: Site) -> Operand | None:
    """The result of the node and of those that follow it, where some do."""
    kind = site.outputs[0]
    shape = kind.shape
    places = [
        place
        for place, operand in enumerate(site.inputs)
        if operand is not None and operand.shape == shape and operand.dtype == "float32"
    ]
    if kind.dtype != "float32" or not places or not math.prod(shape):
        return None
    x = site.inputs[places[0]]
    others = [*site.inputs]
    others[places[0]] = None
    rank = len(shape)
    operations = operations_of(site.node, others, site.builder, rank)
    if x is None or operations is None:
        return None
    split = rank - 1 if rank and shape[-1] >= _WIDE else 0
    layout = Layout(shape, (tuple(range(split)), tuple(range(split, rank))))
    first: list[After] = []
    for operation, operand in operations:
        strides = layout.strides(() if operand is None else operand.shape)
        if strides is None:
            return None
        first.append(After(operation, operand, strides))
    following = take_followers(site.followers, site.builder, layout, shape, _MOST)
    if not following:
        return None
    after = [*first, *following]
    result = site.builder.tensor("float32", shape)
    rows = math.prod(shape[:split])
    head = (rows, math.prod(shape[split:]), len(after))
    site.builder.step(Step.CHAIN_F32, result, x, *head, *words(after))
    return result

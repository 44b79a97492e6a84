"""Writing elements at places: Scatter, ScatterElements, ScatterND.

SHAPE-34: updates are written in row-major order of the indices, so that of two updates to one
place the later one wins, and reductions round in that order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synnergy.tensor.environment import quiet
from synnergy.tensor.operators import arguments, ordering
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import Array, Node, Refuse, Value, ValueType, Work

_REDUCTIONS = ("none", "add", "mul", "min", "max")


def _reduction(node: Node, dtype: str) -> str:
    choices = _REDUCTIONS if node.opset >= 18 else _REDUCTIONS[:3]
    if node.opset < 16 and node.attribute("reduction") is not None:
        raise Refuse("attribute reduction belongs to opset 16 and later")
    reduction = arguments.text(node, "reduction", "none", choices)
    if reduction != "none" and dtype not in arguments.NUMBERS:
        raise Refuse(f"reduction {reduction} of element type {dtype} isn't supported")
    return reduction


@quiet
def _write(data: Array, places: tuple[Array, ...], updates: Array, reduction: str) -> Array:
    result = data.copy()
    if reduction == "none":
        result[places] = updates
    elif reduction == "add":
        np.add.at(result, places, updates)
    elif reduction == "mul":
        np.multiply.at(result, places, updates)
    else:
        return _write_extreme(result, places, updates, reduction == "max")
    return result


def _write_extreme(result: Array, places: tuple[Array, ...], updates: Array, high: bool) -> Array:
    """The larger (smaller) element stays; NaN stays; +0 is larger than -0. SHAPE-35"""
    extreme = np.maximum if high else np.minimum
    if result.dtype.kind != "f":
        extreme.at(result, places, updates)
        return result
    missing = np.isnan(result)
    np.logical_or.at(missing, places, np.isnan(updates))
    keys = ordering.float_keys(result, merge_zeros=False)
    extreme.at(keys, places, ordering.float_keys(updates, merge_zeros=False))
    values = ordering.from_float_keys(keys, result.dtype)
    return np.where(missing, result.dtype.type(np.nan), values)


def _elements_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 3, 3)
    data, indices, updates = (arguments.required(inputs, position) for position in range(3))
    arguments.one_of(indices, arguments.INDICES, "indices")
    _reduction(node, arguments.same_dtype([data, updates]))
    axis = arguments.axis_of(arguments.integer(node, "axis", 0), len(data.shape))
    arguments.inside(indices.shape, data.shape, axis)
    if updates.shape != indices.shape:
        raise Refuse(f"updates of shape {updates.shape} for indices of shape {indices.shape}")
    return [data.tensor]


def _elements_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    data, indices, updates = (arguments.present(inputs, position) for position in range(3))
    axis = arguments.axis_of(arguments.integer(node, "axis", 0), data.ndim)
    rank = indices.ndim
    places: list[Array] = [
        np.arange(size, dtype=np.int64).reshape((-1,) + (1,) * (rank - 1 - position))
        for position, size in enumerate(indices.shape)
    ]
    places[axis] = arguments.checked_indices(indices, data.shape[axis])
    reduction = _reduction(node, arguments.dtype_name(data))
    return [_write(data, tuple(places), updates, reduction)]


def _nd_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 3, 3)
    data, indices, updates = (arguments.required(inputs, position) for position in range(3))
    arguments.one_of(indices, ("int64",), "indices")
    _reduction(node, arguments.same_dtype([data, updates]))
    depth = indices.shape[-1] if indices.shape else 0
    if not 1 <= depth <= len(data.shape):
        raise Refuse(f"indices of {depth} coordinates into a tensor of rank {len(data.shape)}")
    if updates.shape != (*indices.shape[:-1], *data.shape[depth:]):
        raise Refuse(f"updates of shape {updates.shape} for indices of shape {indices.shape}")
    return [data.tensor]


def _nd_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    data, indices, updates = (arguments.present(inputs, position) for position in range(3))
    places = tuple(
        arguments.checked_indices(indices[..., column], data.shape[column])
        for column in range(indices.shape[-1])
    )
    return [_write(data, places, updates, _reduction(node, arguments.dtype_name(data)))]


def _scatter_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """The copied data and one write for each update."""
    updates = arguments.required(inputs, 2).tensor.elements
    return Work(elements=outputs[0].elements + updates)


register("Scatter", _elements_infer, _elements_run, _scatter_work, since=9)
register("ScatterElements", _elements_infer, _elements_run, _scatter_work, since=11)
register("ScatterND", _nd_infer, _nd_run, _scatter_work, since=11)

"""Choosing elements by their values: ArgMax, ArgMin, TopK, Trilu, Compress, NonZero, Unique."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synnergy.tensor.operators import arguments, ordering
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import Array, Node, Refuse, Value, ValueType, Work


def _extreme_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 1, 1)
    data = arguments.required(inputs, 0)
    arguments.one_of(data, arguments.NUMBERS, "data")
    axis = arguments.axis_of(arguments.integer(node, "axis", 0), len(data.shape))
    arguments.flag(node, "select_last_index")
    if data.shape[axis] == 0:
        raise Refuse(f"axis {axis} is empty, so it has no extreme")
    rest = (1,) if arguments.flag(node, "keepdims", True) else ()
    return [arguments.tensor("int64", (*data.shape[:axis], *rest, *data.shape[axis + 1 :]))]


def _place_of_extreme(node: Node, data: Array, largest: bool) -> Array:
    """The first (or last) index of the largest element; NaN is more extreme than all. SHAPE-60"""
    axis = arguments.integer(node, "axis", 0)
    order = ordering.keys(data)
    if data.dtype.kind == "f" and not largest:
        order = np.where(np.isnan(data), np.iinfo(order.dtype).min, order)
    find = np.argmax if largest else np.argmin
    if node.opset >= 12 and arguments.flag(node, "select_last_index"):
        place = data.shape[axis] - 1 - find(np.flip(order, axis), axis=axis)
    else:
        place = find(order, axis=axis)
    if arguments.flag(node, "keepdims", True):
        place = np.expand_dims(place, axis)
    return np.asarray(place, np.int64)


def _argmax_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    return [_place_of_extreme(node, arguments.present(inputs, 0), largest=True)]


def _argmin_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    return [_place_of_extreme(node, arguments.present(inputs, 0), largest=False)]


def _top_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    data = arguments.required(inputs, 0)
    arguments.one_of(data, arguments.NUMBERS, "X")
    if node.opset < 10:
        arguments.arity(node, inputs, 1, 1, 2)
        count = arguments.integer(node, "k")
    else:
        arguments.arity(node, inputs, 2, 2, 2)
        count = arguments.known_integer(arguments.required(inputs, 1), "K")
    axis = arguments.axis_of(arguments.integer(node, "axis", -1), len(data.shape))
    arguments.flag(node, "largest", True)
    if not 0 <= count <= data.shape[axis]:
        raise Refuse(f"the {count} top elements of an axis of {data.shape[axis]}")
    shape = (*data.shape[:axis], count, *data.shape[axis + 1 :])
    both: list[ValueType] = [arguments.tensor(data.dtype, shape), arguments.tensor("int64", shape)]
    return both[: len(node.outputs)]


def _top_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    """Sorted whatever `sorted` says; NaN is the largest; ties by lower index. SHAPE-61"""
    data = arguments.present(inputs, 0)
    if node.opset < 10:
        count = arguments.integer(node, "k")
    else:
        count = int(arguments.present(inputs, 1).reshape(-1)[0])
    axis = arguments.axis_of(arguments.integer(node, "axis", -1), data.ndim)
    lines = np.moveaxis(data, axis, -1)
    largest = node.opset < 11 or arguments.flag(node, "largest", True)
    places = ordering.argsort(lines, descending=largest)[..., :count]
    values = np.take_along_axis(lines, places, -1)
    both = [np.moveaxis(values, -1, axis).copy(), np.moveaxis(places, -1, axis).copy()]
    return both[: len(node.outputs)]


def _sort_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """n log2(n) comparisons for each sorted line, and the elements moved out. SHAPE-62"""
    data = arguments.required(inputs, 0).tensor
    axis = arguments.axis_of(arguments.integer(node, "axis", -1), len(data.shape))
    rounds = max(data.shape[axis] - 1, 1).bit_length()
    return Work(elements=data.elements * rounds + sum(output.elements for output in outputs))


def _trilu_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 1, 2)
    data, offset = arguments.required(inputs, 0), arguments.optional(inputs, 1)
    if data.dtype == "string" or len(data.shape) < 2:
        raise Refuse("a triangle is cut from matrices of numbers or bools")
    arguments.flag(node, "upper", True)
    if offset is not None:
        arguments.one_of(offset, ("int64",), "k")
        if offset.tensor.elements != 1:
            raise Refuse("k must be one element")
    return [data.tensor]


def _line(size: int) -> Array:
    return np.arange(size, dtype=np.int64)


def _trilu_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    """Elements outside the triangle become +0, whatever they were. SHAPE-65"""
    data, offset = arguments.present(inputs, 0), arguments.given(inputs, 1)
    rows, columns = data.shape[-2:]
    diagonal = 0 if offset is None else int(offset.reshape(-1)[0])
    diagonal = max(-rows - 1, min(diagonal, columns + 1))
    distance = np.subtract.outer(-_line(rows), -_line(columns))
    upper = arguments.flag(node, "upper", True)
    inside = distance >= diagonal if upper else distance <= diagonal
    return [np.where(inside, data, np.zeros((), data.dtype))]


def _compress_axis(node: Node, rank: int) -> int | None:
    if node.attribute("axis") is None:
        return None
    return arguments.axis_of(arguments.integer(node, "axis"), rank)


def _compress_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 2, 2)
    data, condition = arguments.required(inputs, 0), arguments.required(inputs, 1)
    arguments.one_of(condition, ("bool",), "condition")
    if len(condition.shape) != 1:
        raise Refuse(f"condition must be a vector, not of rank {len(condition.shape)}")
    axis = _compress_axis(node, len(data.shape))
    size = data.tensor.elements if axis is None else data.shape[axis]
    if condition.shape[0] > size:
        raise Refuse(f"{condition.shape[0]} conditions for {size} elements")
    kept = int(np.count_nonzero(arguments.known(condition, "condition")))
    if axis is None:
        return [arguments.tensor(data.dtype, (kept,))]
    return [arguments.tensor(data.dtype, (*data.shape[:axis], kept, *data.shape[axis + 1 :]))]


def _compress_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    data, condition = arguments.present(inputs, 0), arguments.present(inputs, 1)
    axis = _compress_axis(node, data.ndim)
    places = np.flatnonzero(condition)
    return [np.take(data.reshape(-1), places) if axis is None else np.take(data, places, axis)]


def _nonzero(data: Array) -> Array:
    """Coordinates of elements that aren't zero or empty, a row for each axis. SHAPE-63"""
    mask = data != "" if data.dtype.kind == "O" else data != 0
    if data.ndim == 0:
        return np.zeros((0, int(mask)), np.int64)
    return np.array(np.nonzero(mask), np.int64)


def _nonzero_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 1, 1)
    data = arguments.known(arguments.required(inputs, 0), "X")
    return [arguments.tensor("int64", _nonzero(data).shape)]


def _nonzero_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    return [_nonzero(arguments.present(inputs, 0))]


def _unique(node: Node, data: Array) -> list[Array]:
    """The distinct elements (or slices of an axis), their first places, and more. SHAPE-64

    Sorted by SHAPE-4, slices by their elements in row-major order, or in order of appearance.
    """
    axis = _compress_axis(node, data.ndim)
    rows = data.reshape(-1, 1) if axis is None else np.moveaxis(data, axis, 0)
    order = ordering.keys(rows).reshape(rows.shape[0], -1 if rows.size else 0)
    count = rows.shape[0]
    sequence = np.lexsort(order.T[::-1]) if order.shape[1] else np.arange(count)
    ordered = order[sequence]
    new = np.ones(count, bool)
    new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    groups = np.cumsum(new) - 1
    first = sequence[new]
    inverse = np.empty(count, np.int64)
    inverse[sequence] = groups
    if not arguments.flag(node, "sorted", True):
        appearance = np.argsort(first, kind="stable")
        rank = np.empty_like(appearance)
        rank[appearance] = np.arange(len(first))
        first, inverse = first[appearance], rank[inverse]
    counts = np.bincount(inverse, minlength=len(first))
    flat = data.reshape(-1) if axis is None else data
    values = np.take(flat, first, axis or 0)
    results = [values, *(item.astype(np.int64) for item in (first, inverse, counts))]
    return results[: len(node.outputs)]


def _unique_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 1, 1, 4)
    value = arguments.required(inputs, 0)
    arguments.flag(node, "sorted", True)
    _compress_axis(node, len(value.shape))
    results = _unique(node, arguments.known(value, "X"))
    return [arguments.tensor(arguments.dtype_name(result), result.shape) for result in results]


def _unique_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    return _unique(node, arguments.present(inputs, 0))


register("ArgMax", _extreme_infer, _argmax_run)
register("ArgMin", _extreme_infer, _argmin_run)
register("TopK", _top_infer, _top_run, _sort_work)
register("Trilu", _trilu_infer, _trilu_run, arguments.move_work, since=14)
register("Compress", _compress_infer, _compress_run, static=False, since=9)
register("NonZero", _nonzero_infer, _nonzero_run, static=False, since=9)
register("Unique", _unique_infer, _unique_run, static=False, since=11)

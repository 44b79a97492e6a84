"""Reading elements at places: Slice, Gather, GatherElements, GatherND, ReverseSequence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import Array, BadInput, Node, Refuse, Value, ValueType

Slices = tuple[slice, ...]


def _slices(
    shape: Sequence[int],
    starts: Sequence[int],
    ends: Sequence[int],
    axes: Sequence[int] | None,
    steps: Sequence[int] | None,
) -> tuple[Slices, list[int]]:
    """numpy slices and the shape they cut. SHAPE-30

    A negative bound counts from the end. Going forwards both are clamped to 0..size; going
    backwards the start is clamped to 0..size-1 and the end to -1..size-1.
    """
    count = len(starts)
    named = arguments.axes_of(range(count) if axes is None else axes, len(shape))
    strides = [1] * count if steps is None else list(steps)
    if not count == len(ends) == len(named) == len(strides):
        raise Refuse("starts, ends, axes and steps differ in length")
    slices = [slice(None)] * len(shape)
    result = list(shape)
    for start, end, axis, step in zip(starts, ends, named, strides, strict=True):
        size = shape[axis]
        if step == 0:
            raise Refuse("a step of zero")
        first = start + size if start < 0 else start
        last = end + size if end < 0 else end
        low, high = (0, size) if step > 0 else (-1, size - 1)
        first = min(max(first, 0), high)
        last = min(max(last, low), high)
        result[axis] = max(0, -((first - last) // step))
        step = max(-size - 1, min(step, size + 1))
        slices[axis] = slice(first, None if last < 0 else last, step)
        if not result[axis]:
            slices[axis] = slice(0, 0)
    return tuple(slices), result


def _slice_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    data = arguments.required(inputs, 0)
    if node.opset < 10:
        arguments.arity(node, inputs, 1, 1)
        _, shape = _slices(data.shape, *_slice_attributes(node), None)
        return [arguments.tensor(data.dtype, shape)]
    arguments.arity(node, inputs, 3, 5)
    bounds: list[tuple[int, ...] | None] = []
    for position, label in enumerate(("starts", "ends", "axes", "steps"), 1):
        value = arguments.optional(inputs, position)
        bounds.append(None if value is None else arguments.known_integers(value, label))
    starts, ends, axes, steps = bounds
    _, shape = _slices(data.shape, starts or (), ends or (), axes, steps)
    return [arguments.tensor(data.dtype, shape)]


def _slice_attributes(
    node: Node,
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...] | None]:
    starts, ends = arguments.integers(node, "starts"), arguments.integers(node, "ends")
    if starts is None or ends is None:
        raise Refuse("attributes starts and ends are required")
    return starts, ends, arguments.integers(node, "axes")


def slices_of(node: Node, shape: Sequence[int], bounds: Sequence[Sequence[int] | None]) -> Slices:
    """What Slice cuts of a shape: `bounds` are the inputs after the first, as lists."""
    if node.opset < 10:
        return _slices(shape, *_slice_attributes(node), None)[0]
    starts, ends, axes, steps = (*bounds, None, None)[:4]
    return _slices(shape, starts or (), ends or (), axes, steps)[0]


def _slice_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    data = arguments.present(inputs, 0)
    bounds = [
        None if array is None else [int(item) for item in array.reshape(-1)]
        for array in inputs[1:]
    ]
    return [data[slices_of(node, data.shape, bounds)].copy()]


def _gather_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 2, 2)
    data, indices = arguments.required(inputs, 0), arguments.required(inputs, 1)
    arguments.one_of(indices, arguments.INDICES, "indices")
    axis = arguments.axis_of(arguments.integer(node, "axis", 0), len(data.shape))
    shape = (*data.shape[:axis], *indices.shape, *data.shape[axis + 1 :])
    return [arguments.tensor(data.dtype, shape)]


def _gather_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    data, indices = arguments.present(inputs, 0), arguments.present(inputs, 1)
    axis = arguments.integer(node, "axis", 0)
    places = arguments.checked_indices(indices, data.shape[axis])
    return [np.asarray(np.take(data, places, axis), data.dtype)]


def _gather_elements_infer(
    node: Node, inputs: Sequence[Value | None], scope: Scope
) -> list[ValueType]:
    arguments.arity(node, inputs, 2, 2)
    data, indices = arguments.required(inputs, 0), arguments.required(inputs, 1)
    arguments.one_of(indices, arguments.INDICES, "indices")
    axis = arguments.axis_of(arguments.integer(node, "axis", 0), len(data.shape))
    arguments.inside(indices.shape, data.shape, axis)
    return [arguments.tensor(data.dtype, indices.shape)]


def _gather_elements_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    data, indices = arguments.present(inputs, 0), arguments.present(inputs, 1)
    axis = arguments.axis_of(arguments.integer(node, "axis", 0), data.ndim)
    places = arguments.checked_indices(indices, data.shape[axis])
    within = tuple(
        slice(None) if position == axis else slice(size)
        for position, size in enumerate(indices.shape)
    )
    return [np.take_along_axis(data[within], places, axis)]


def _gather_nd_shape(node: Node, data: Sequence[int], indices: Sequence[int]) -> list[int]:
    """The last axis of the indices holds coordinates. SHAPE-33"""
    batch = arguments.integer(node, "batch_dims", 0) if node.opset >= 12 else 0
    if not data or not indices:
        raise Refuse("GatherND needs tensors of rank 1 at least")
    if not 0 <= batch < min(len(data), len(indices)) or data[:batch] != indices[:batch]:
        raise Refuse(f"{batch} batch dimensions of {tuple(data)} and {tuple(indices)} don't fit")
    depth = indices[-1]
    if not 1 <= depth <= len(data) - batch:
        raise Refuse(f"indices of {depth} coordinates into a tensor of rank {len(data) - batch}")
    return [*indices[:-1], *data[batch + depth :]]


def _gather_nd_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 2, 2)
    data, indices = arguments.required(inputs, 0), arguments.required(inputs, 1)
    arguments.one_of(indices, arguments.INDICES, "indices")
    shape = _gather_nd_shape(node, data.shape, indices.shape)
    return [arguments.tensor(data.dtype, shape)]


def _line(size: int) -> Array:
    return np.arange(size, dtype=np.int64)


def _gather_nd_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    data, indices = arguments.present(inputs, 0), arguments.present(inputs, 1)
    batch = arguments.integer(node, "batch_dims", 0) if node.opset >= 12 else 0
    shape = _gather_nd_shape(node, data.shape, indices.shape)
    rank = indices.ndim - 1
    places: list[Array] = [
        _line(indices.shape[axis]).reshape((-1,) + (1,) * (rank - 1 - axis))
        for axis in range(batch)
    ]
    for column in range(indices.shape[-1]):
        size = data.shape[batch + column]
        places.append(arguments.checked_indices(indices[..., column], size))
    return [np.asarray(data[tuple(places)], data.dtype).reshape(shape)]


def _reverse_axes(node: Node, rank: int) -> tuple[int, int]:
    time = arguments.integer(node, "time_axis", 0)
    batch = arguments.integer(node, "batch_axis", 1)
    if {time, batch} != {0, 1} or rank < 2:
        raise Refuse("time and batch axes must be the first two")
    return time, batch


def _reverse_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 2, 2)
    data, lengths = arguments.required(inputs, 0), arguments.required(inputs, 1)
    arguments.one_of(lengths, ("int64",), "sequence_lens")
    _, batch = _reverse_axes(node, len(data.shape))
    if lengths.shape != (data.shape[batch],):
        raise Refuse(f"{lengths.shape} sequence lengths for {data.shape[batch]} sequences")
    return [data.tensor]


def _reverse_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    data, lengths = arguments.present(inputs, 0), arguments.present(inputs, 1)
    time, _ = _reverse_axes(node, data.ndim)
    steps = data.shape[time]
    if ((lengths < 0) | (lengths > steps)).any():
        raise BadInput(f"a sequence length is outside 0..{steps}")
    line = _line(steps)[:, None]  # SHAPE-36
    places: Array = np.where(line < lengths, lengths - 1 - line, line)
    places = places if time == 0 else places.T
    return [np.take_along_axis(data, places.reshape(places.shape + (1,) * (data.ndim - 2)), time)]


register("Slice", _slice_infer, _slice_run, arguments.move_work)
register("Gather", _gather_infer, _gather_run, arguments.move_work)
register(
    "GatherElements", _gather_elements_infer, _gather_elements_run, arguments.move_work, since=11
)
register("GatherND", _gather_nd_infer, _gather_nd_run, arguments.move_work, since=11)
register("ReverseSequence", _reverse_infer, _reverse_run, arguments.move_work, since=10)

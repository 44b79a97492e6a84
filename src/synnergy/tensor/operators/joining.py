"""Putting tensors together, apart and beside copies of themselves: Concat, Split, Tile."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import Array, Node, Refuse, Value, ValueType


def _concat_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 1, None)
    parts = [arguments.required(inputs, position) for position in range(len(inputs))]
    dtype = arguments.same_dtype(parts)
    shape = list(parts[0].shape)
    axis = arguments.axis_of(arguments.integer(node, "axis"), len(shape))
    for part in parts[1:]:
        if len(part.shape) != len(shape) or any(
            theirs != ours
            for position, (theirs, ours) in enumerate(zip(part.shape, parts[0].shape, strict=True))
            if position != axis
        ):
            raise Refuse(f"shapes {parts[0].shape} and {part.shape} don't join along axis {axis}")
        shape[axis] += part.shape[axis]
    return [arguments.tensor(dtype, shape)]


def _concat_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    parts = [arguments.present(inputs, position) for position in range(len(inputs))]
    return [np.concatenate(parts, axis=arguments.integer(node, "axis"))]


def _split_sizes(node: Node, size: int, sizes: Sequence[int] | None) -> list[int]:
    """Sizes of the parts along the axis. SHAPE-26

    Given ones must add up. Otherwise the axis is divided by the number of outputs; from opset 18
    by `num_outputs`, where the last part may be smaller.
    """
    count = len(node.outputs)
    if sizes is not None:
        if len(sizes) != count or any(part < 0 for part in sizes) or sum(sizes) != size:
            raise Refuse(f"parts {list(sizes)[:8]} don't split {size} elements into {count}")
        return list(sizes)
    if node.opset >= 18:
        if arguments.integer(node, "num_outputs", count) != count:
            raise Refuse(f"num_outputs isn't the number of outputs, {count}")
        part = -(-size // count)
        last = size - part * (count - 1)
        if last < 0:
            raise Refuse(f"{count} parts of {part} are more than {size} elements")
        return [part] * (count - 1) + [last]
    if size % count:
        raise Refuse(f"{size} elements don't split evenly into {count}")
    return [size // count] * count


def _split_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 1, 2 if node.opset >= 13 else 1, len(node.outputs))
    data = arguments.required(inputs, 0)
    axis = arguments.axis_of(arguments.integer(node, "axis", 0), len(data.shape))
    value = arguments.optional(inputs, 1)
    if node.opset < 13:
        sizes = arguments.integers(node, "split")
    else:
        sizes = None if value is None else arguments.known_integers(value, "split")
    return [
        arguments.tensor(data.dtype, (*data.shape[:axis], part, *data.shape[axis + 1 :]))
        for part in _split_sizes(node, data.shape[axis], sizes)
    ]


def _split_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    data = arguments.present(inputs, 0)
    axis = arguments.axis_of(arguments.integer(node, "axis", 0), data.ndim)
    array = arguments.given(inputs, 1)
    if node.opset < 13:
        sizes = arguments.integers(node, "split")
    else:
        sizes = None if array is None else [int(size) for size in array.reshape(-1)]
    ends = list(accumulate(_split_sizes(node, data.shape[axis], sizes)))
    return [part.copy() for part in np.split(data, ends[:-1], axis)]


def _repeats(shape: Sequence[int], repeats: Sequence[int]) -> list[int]:
    if len(repeats) != len(shape) or any(repeat < 0 for repeat in repeats):
        raise Refuse(f"repeats {list(repeats)[:8]} don't fit a tensor of rank {len(shape)}")
    return list(repeats)


def _tile_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 2, 2)
    data = arguments.required(inputs, 0)
    wanted = arguments.known_integers(arguments.required(inputs, 1), "repeats")
    repeats = _repeats(data.shape, wanted)
    shape = [size * repeat for size, repeat in zip(data.shape, repeats, strict=True)]
    return [arguments.tensor(data.dtype, shape)]


def _tile_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    data = arguments.present(inputs, 0)
    repeats = [int(repeat) for repeat in arguments.present(inputs, 1).reshape(-1)]
    shape = [size * repeat for size, repeat in zip(data.shape, repeats, strict=True)]
    if 0 in shape:  # SHAPE-22; numpy would first build the other repetitions
        return [np.empty(shape, data.dtype)]
    return [np.tile(data, repeats)]


register("Concat", _concat_infer, _concat_run, arguments.move_work, since=4)
register("Split", _split_infer, _split_run, arguments.move_work, since=2)
register("Tile", _tile_infer, _tile_run, arguments.move_work, since=6)

"""Operators that give the same elements another shape or order."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import Array, Node, Refuse, Value, ValueType


def _identity_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 1, 1)
    return [arguments.required(inputs, 0).tensor]


def _identity_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    return [arguments.present(inputs, 0)]


def _shape_slice(node: Node, shape: Sequence[int]) -> list[int]:
    """The dimensions from `start` to before `end`, both clamped to the rank. SHAPE-20"""
    start = arguments.integer(node, "start", 0)
    end = arguments.integer(node, "end", len(shape))
    return list(shape)[start:end]


def _shape_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 1, 1)
    kept = _shape_slice(node, arguments.required(inputs, 0).shape)
    return [arguments.tensor("int64", (len(kept),))]


def _shape_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    return [np.array(_shape_slice(node, arguments.present(inputs, 0).shape), np.int64)]


def _shape_value(node: Node, inputs: Sequence[Value | None], scope: Scope) -> Array | None:
    return np.array(_shape_slice(node, arguments.required(inputs, 0).shape), np.int64)


def _size_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 1, 1)
    arguments.required(inputs, 0)
    return [arguments.tensor("int64", ())]


def _size_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    return [np.array(arguments.present(inputs, 0).size, np.int64)]


def _size_value(node: Node, inputs: Sequence[Value | None], scope: Scope) -> Array | None:
    return np.array(arguments.required(inputs, 0).tensor.elements, np.int64)


def _reshaped(node: Node, old: Sequence[int], wanted: Sequence[int]) -> tuple[int, ...]:
    """The new shape; 0 copies a dimension (unless allowzero), -1 takes what is left. SHAPE-21"""
    allow_zero = node.opset >= 14 and arguments.flag(node, "allowzero")
    shape = list(wanted)
    for position, dimension in enumerate(wanted):
        if dimension < -1:
            raise Refuse(f"dimension {dimension} in a shape")
        if dimension == 0 and not allow_zero:
            if position >= len(old):
                raise Refuse(f"dimension {position} copies one that the input doesn't have")
            shape[position] = old[position]
    total = math.prod(old)
    if -1 in shape:
        rest = math.prod(dimension for dimension in shape if dimension != -1)
        if shape.count(-1) > 1 or rest == 0 or total % rest:
            raise Refuse(f"{total} elements leave no whole dimension for -1 in {shape}")
        shape[shape.index(-1)] = total // rest
    if math.prod(shape) != total:
        raise Refuse(f"{total} elements don't fit shape {shape}")
    return tuple(shape)


def _reshape_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 2, 2)
    data = arguments.required(inputs, 0)
    wanted = arguments.known_integers(arguments.required(inputs, 1), "shape")
    return [arguments.tensor(data.dtype, _reshaped(node, data.shape, wanted))]


def _reshape_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    data = arguments.present(inputs, 0)
    wanted = [int(dimension) for dimension in arguments.present(inputs, 1).reshape(-1)]
    return [data.reshape(_reshaped(node, data.shape, wanted))]


def _flattened(node: Node, shape: Sequence[int]) -> tuple[int, int]:
    axis = arguments.integer(node, "axis", 1)
    rank = len(shape)
    if not -rank <= axis <= rank:
        raise Refuse(f"axis {axis} is outside a tensor of rank {rank}")
    split = axis + rank if axis < 0 else axis
    return math.prod(shape[:split]), math.prod(shape[split:])


def _flatten_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 1, 1)
    data = arguments.required(inputs, 0)
    return [arguments.tensor(data.dtype, _flattened(node, data.shape))]


def _flatten_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    data = arguments.present(inputs, 0)
    return [data.reshape(_flattened(node, data.shape))]


def _axes_infer(node: Node, inputs: Sequence[Value | None]) -> tuple[int, ...] | None:
    """The axes from the attribute (before opset 13) or from the second input."""
    if node.opset < 13:
        arguments.arity(node, inputs, 1, 1)
        return arguments.integers(node, "axes")
    arguments.arity(node, inputs, 1, 2)
    value = arguments.optional(inputs, 1)
    return None if value is None else arguments.known_integers(value, "axes")


def _axes_run(node: Node, inputs: Sequence[Array | None]) -> tuple[int, ...] | None:
    if node.opset < 13:
        return arguments.integers(node, "axes")
    array = arguments.given(inputs, 1)
    return None if array is None else tuple(int(axis) for axis in array.reshape(-1))


def _squeezed(shape: Sequence[int], axes: Sequence[int] | None) -> tuple[int, ...]:
    if axes is None:
        return tuple(dimension for dimension in shape if dimension != 1)
    dropped = arguments.axes_of(axes, len(shape))
    for axis in dropped:
        if shape[axis] != 1:
            raise Refuse(f"axis {axis} has {shape[axis]} elements, so it can't be squeezed out")
    return tuple(size for axis, size in enumerate(shape) if axis not in dropped)


def _squeeze_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    axes = _axes_infer(node, inputs)
    data = arguments.required(inputs, 0)
    return [arguments.tensor(data.dtype, _squeezed(data.shape, axes))]


def _squeeze_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    data = arguments.present(inputs, 0)
    return [data.reshape(_squeezed(data.shape, _axes_run(node, inputs)))]


def _unsqueezed(shape: Sequence[int], axes: Sequence[int] | None) -> tuple[int, ...]:
    if axes is None:
        raise Refuse("axes are missing")
    if len(shape) + len(axes) > arguments.RANK_LIMIT:
        raise Refuse(f"a tensor of rank {len(shape) + len(axes)} is above the limit")
    rank = len(shape) + len(axes)
    added = arguments.axes_of(axes, rank)
    sizes = iter(shape)
    return tuple(1 if axis in added else next(sizes) for axis in range(rank))


def _unsqueeze_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    axes = _axes_infer(node, inputs)
    data = arguments.required(inputs, 0)
    return [arguments.tensor(data.dtype, _unsqueezed(data.shape, axes))]


def _unsqueeze_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    data = arguments.present(inputs, 0)
    return [data.reshape(_unsqueezed(data.shape, _axes_run(node, inputs)))]


def permutation(node: Node, rank: int) -> tuple[int, ...]:
    """Transpose's order of axes: reversed where none is given."""
    order = arguments.integers(node, "perm")
    if order is None:
        return tuple(reversed(range(rank)))
    counted = arguments.axes_of(order, rank)
    if len(counted) != rank:
        raise Refuse(f"{len(counted)} axes to transpose a tensor of rank {rank}")
    return counted


def _transpose_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 1, 1)
    data = arguments.required(inputs, 0)
    order = permutation(node, len(data.shape))
    return [arguments.tensor(data.dtype, [data.shape[axis] for axis in order])]


def _transpose_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    data = arguments.present(inputs, 0)
    return [data.transpose(permutation(node, data.ndim)).copy()]


def _expand_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 2, 2)
    data = arguments.required(inputs, 0)
    wanted = arguments.known_integers(arguments.required(inputs, 1), "shape")
    return [arguments.tensor(data.dtype, arguments.broadcast([data.shape, wanted]))]


def _expand_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    data = arguments.present(inputs, 0)
    wanted = [int(dimension) for dimension in arguments.present(inputs, 1).reshape(-1)]
    return [np.broadcast_to(data, arguments.broadcast([data.shape, wanted])).copy()]


def _block(node: Node, shape: Sequence[int]) -> int:
    size = arguments.integer(node, "blocksize", low=1)
    if len(shape) != 4:
        raise Refuse(f"blocks are moved in a tensor of rank 4, not {len(shape)}")
    return size


def _depth_first(node: Node) -> bool:
    """Whether the block's position varies slower than the channel (DCR, the default). SHAPE-24"""
    return arguments.text(node, "mode", "DCR", ("DCR", "CRD")) == "DCR"


def blocks(node: Node, shape: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """How DepthToSpace and SpaceToDepth split the axes, and in which order they join them."""
    size = _block(node, shape)
    count, channels, height, width = shape
    first = _depth_first(node)
    if node.operator == "SpaceToDepth":
        split = (count, channels, height // size, size, width // size, size)
        return split, (0, 3, 5, 1, 2, 4) if first else (0, 1, 3, 5, 2, 4)
    depth = channels // (size * size)
    if first:
        return (count, size, size, depth, height, width), (0, 3, 4, 1, 5, 2)
    return (count, depth, size, size, height, width), (0, 1, 4, 2, 5, 3)


def _depth_to_space_infer(
    node: Node, inputs: Sequence[Value | None], scope: Scope
) -> list[ValueType]:
    arguments.arity(node, inputs, 1, 1)
    data = arguments.required(inputs, 0)
    size = _block(node, data.shape)
    _depth_first(node)
    count, channels, height, width = data.shape
    if channels % (size * size):
        raise Refuse(f"{channels} channels don't divide into blocks of {size} x {size}")
    shape = (count, channels // (size * size), height * size, width * size)
    return [arguments.tensor(data.dtype, shape)]


def _depth_to_space_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    data = arguments.present(inputs, 0)
    size = _block(node, data.shape)
    count, channels, height, width = data.shape
    split, order = blocks(node, data.shape)
    moved = data.reshape(split).transpose(order)
    return [moved.reshape(count, channels // (size * size), height * size, width * size)]


def _space_to_depth_infer(
    node: Node, inputs: Sequence[Value | None], scope: Scope
) -> list[ValueType]:
    arguments.arity(node, inputs, 1, 1)
    data = arguments.required(inputs, 0)
    size = _block(node, data.shape)
    _depth_first(node)
    count, channels, height, width = data.shape
    if height % size or width % size:
        raise Refuse(f"{height} x {width} doesn't divide into blocks of {size} x {size}")
    shape = (count, channels * size * size, height // size, width // size)
    return [arguments.tensor(data.dtype, shape)]


def _space_to_depth_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    data = arguments.present(inputs, 0)
    size = _block(node, data.shape)
    count, channels, height, width = data.shape
    split, order = blocks(node, data.shape)
    moved = data.reshape(split).transpose(order)
    return [moved.reshape(count, channels * size * size, height // size, width // size)]


register("Identity", _identity_infer, _identity_run, arguments.relabel_work)
register("Shape", _shape_infer, _shape_run, arguments.relabel_work, value=_shape_value)
register("Size", _size_infer, _size_run, arguments.relabel_work, value=_size_value)
register("Reshape", _reshape_infer, _reshape_run, arguments.relabel_work, since=5)
register("Flatten", _flatten_infer, _flatten_run, arguments.relabel_work)
register("Squeeze", _squeeze_infer, _squeeze_run, arguments.relabel_work)
register("Unsqueeze", _unsqueeze_infer, _unsqueeze_run, arguments.relabel_work)
register("Transpose", _transpose_infer, _transpose_run, arguments.move_work)
register("Expand", _expand_infer, _expand_run, arguments.move_work, since=8)
register("DepthToSpace", _depth_to_space_infer, _depth_to_space_run, arguments.move_work)
register("SpaceToDepth", _space_to_depth_infer, _space_to_depth_run, arguments.move_work)

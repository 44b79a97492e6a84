"""Caches of decoders and raw bits: TensorScatter, BitCast. SHAPE-39, TENSOR-15"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synnergy.tensor import numerics
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import DTYPES, Array, BadInput, Node, Refuse, Value, ValueType, Work

_MODES = ("linear", "circular")


def _scatter_axis(node: Node, rank: int) -> int:
    axis = arguments.axis_of(arguments.integer(node, "axis", -2), rank)
    if axis == 0:
        raise Refuse("the axis of the batch can't be the sequence's")
    return axis


def _scatter_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 2, 3)
    cache, update = arguments.required(inputs, 0), arguments.required(inputs, 1)
    starts = arguments.optional(inputs, 2)
    arguments.same_dtype([cache, update])
    axis = _scatter_axis(node, len(cache.shape))
    expected = list(cache.shape)
    expected[axis] = update.shape[axis] if len(update.shape) == len(cache.shape) else -1
    if update.shape != tuple(expected) or update.shape[axis] > cache.shape[axis]:
        raise Refuse(f"an update of shape {update.shape} doesn't fit {cache.shape}")
    if starts is not None:
        arguments.one_of(starts, ("int64",), "write_indices")
        if starts.shape != cache.shape[:1]:
            raise Refuse(f"write_indices of shape {starts.shape} for {cache.shape[0]} samples")
    arguments.text(node, "mode", "linear", _MODES)
    return [cache.tensor]


def _scatter_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """The output once, and the updates."""
    return Work(elements=outputs[0].elements + arguments.required(inputs, 1).tensor.elements)


def _scatter_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    cache, update = arguments.present(inputs, 0), arguments.present(inputs, 1)
    starts = arguments.given(inputs, 2)
    axis = _scatter_axis(node, cache.ndim)
    size, count = cache.shape[axis], update.shape[axis]
    first = np.zeros(cache.shape[0], np.int64) if starts is None else starts
    places: Array = np.arange(count, dtype=np.int64)[None, :]
    if arguments.text(node, "mode", "linear", _MODES) == "circular":
        places = (first[:, None] % max(size, 1) + places) % max(size, 1)
    elif ((first < 0) | (first > size - count)).any():
        raise BadInput(f"an update of {count} positions doesn't fit where it is to be written")
    else:
        places = first[:, None] + places
    result = np.array(cache, order="C")
    rows = np.moveaxis(result, axis, 1)
    rows[np.arange(cache.shape[0])[:, None], places] = np.moveaxis(update, axis, 1)
    return [result]


register("TensorScatter", _scatter_infer, _scatter_run, _scatter_work, since=24)


def _bits_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 1, 1)
    x = arguments.required(inputs, 0)
    to = arguments.onnx_dtype(arguments.integer(node, "to"))
    if "string" in (x.dtype, to) or DTYPES[x.dtype].itemsize != DTYPES[to].itemsize:
        raise Refuse(f"{x.dtype} and {to} aren't of one width")
    return [arguments.tensor(to, x.shape)]


def _bits_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    """The same bits, little-endian; every NaN shows those of the one NaN (TENSOR-4)."""
    x = np.array(numerics.canonicalise(arguments.present(inputs, 0)), order="C")
    to = arguments.onnx_dtype(arguments.integer(node, "to"))
    if to == "bool":
        return [x.view(np.uint8) != 0]
    return [x.view(DTYPES[to])]


register("BitCast", _bits_infer, _bits_run, arguments.move_work, since=26)

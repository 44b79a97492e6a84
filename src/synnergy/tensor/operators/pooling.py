"""Pooling over windows and over whole channels.

TENSOR-18: a window's elements are taken in row-major order of the kernel; sums start from +0 and
add one after another; the first of equal largest elements counts; NaN is larger than any number.
Global sums follow TENSOR-12. float16 is computed in float32 and rounded once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from synnergy.tensor import numerics
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.registry import Run, Scope, register
from synnergy.tensor.operators.windows import (
    Windows,
    input_windows,
    pad_spatial,
    slices,
)
from synnergy.tensor.types import Array, Node, Refuse, Value, ValueType, Work

_MAX_TYPES = ("int8", "uint8", *arguments.FLOATS)


def _windows(node: Node, shape: Sequence[int]) -> Windows:
    kernel = arguments.integers(node, "kernel_shape")
    if not kernel:
        raise Refuse("attribute kernel_shape is missing")
    return input_windows(node, shape, kernel, arguments.flag(node, "ceil_mode"))


def _pool_infer(types: Sequence[str], outputs: int) -> Callable[..., list[ValueType]]:
    def infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
        arguments.arity(node, inputs, 1, 1, outputs)
        x = arguments.required(inputs, 0)
        dtype = arguments.one_of(x, types, "an input")
        shape = (*x.shape[:2], *_windows(node, x.shape).output)
        kinds: list[ValueType] = [arguments.tensor(dtype, shape), arguments.tensor("int64", shape)]
        return kinds[:outputs]

    return infer


def _pool_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """The input is read and every element of every window looked at."""
    x = arguments.required(inputs, 0)
    windows = _windows(node, x.shape)
    padded = windows.padded(x.shape[2:]) * x.shape[0] * x.shape[1]
    seen = outputs[0].elements * windows.positions
    return Work(elements=seen + padded)


def _max_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.integer(node, "storage_order", 0, 0, 1)
    return _pool_infer(_MAX_TYPES, 2)(node, inputs, scope)


def _max_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    """Largest elements, and their places in the flattened input (-1 in windows of padding)."""
    x = arguments.present(inputs, 0)
    windows = _windows(node, x.shape)
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    padded = pad_spatial(x, windows, lowest)
    column_major = arguments.integer(node, "storage_order", 0, 0, 1) == 1
    places = pad_spatial(_places(x.shape, column_major), windows, -1)
    shape = (*x.shape[:2], *windows.output)
    best = np.full(shape, lowest, x.dtype)
    where = np.full(shape, -1, np.int64)
    for part in slices(windows):
        value = padded[(slice(None), slice(None), *part)]
        place = places[(slice(None), slice(None), *part)]
        better = (value > best) | (np.isnan(value) & ~np.isnan(best)) | (where < 0)
        better &= place >= 0
        best = np.where(better, value, best)
        where = np.where(better, place, where)
    return [best, where][: max(len(node.outputs), 1)]


def _places(shape: tuple[int, ...], column_major: bool) -> Array:
    """Index of each element in the flattened tensor; spatial axes reversed if column-major."""
    spatial = shape[2:]
    size = int(np.prod(spatial, dtype=np.int64))
    inner = np.arange(size, dtype=np.int64).reshape(spatial, order="F" if column_major else "C")
    channels = shape[0] * shape[1]
    base = np.arange(channels, dtype=np.int64).reshape(*shape[:2], *(1,) * len(spatial))
    return base * size + inner


def _wide(x: Array) -> Array:
    return x.astype(np.float32) if x.dtype == np.float16 else x


def _average_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.flag(node, "count_include_pad")
    return _pool_infer(arguments.FLOATS, 1)(node, inputs, scope)


def _average_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    """The sum over the number of elements: of real ones, or with the padding."""
    x = arguments.present(inputs, 0)
    windows = _windows(node, x.shape)
    padded = pad_spatial(_wide(x), windows, 0)
    total = np.zeros((*x.shape[:2], *windows.output), padded.dtype)
    counted = _countable(x.shape[2:], windows, arguments.flag(node, "count_include_pad"))
    count = np.zeros((1, 1, *windows.output), np.int64)
    for part in slices(windows):
        place = (slice(None), slice(None), *part)
        total = total + padded[place]
        count = count + counted[place]
    return [(total / count.astype(padded.dtype)).astype(x.dtype)]


def _countable(spatial: tuple[int, ...], windows: Windows, with_padding: bool) -> Array:
    """1 where an element counts, 0 in padding (and always where ceil_mode goes beyond it)."""
    counted = pad_spatial(np.ones((1, 1, *spatial), np.int64), windows, int(with_padding))
    for axis, excess in enumerate(windows.excess):
        if excess:
            beyond = [slice(None)] * counted.ndim
            beyond[axis + 2] = slice(counted.shape[axis + 2] - excess, None)
            counted[tuple(beyond)] = 0
    return counted


def _power_of(x: Array, p: int) -> Array:
    """|x| ** p."""
    return x * x if p == 2 else np.abs(x) if p == 1 else numerics.power(np.abs(x), np.array(p))


def _root_of(x: Array, p: int) -> Array:
    """x ** (1 / p)."""
    return numerics.sqrt(x) if p == 2 else x if p == 1 else numerics.power(x, np.array(1.0 / p))


def _order(node: Node) -> int:
    return arguments.integer(node, "p", 2, 1, 1 << 16)


def _lp_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    _order(node)
    return _pool_infer(arguments.FLOATS, 1)(node, inputs, scope)


def _lp_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """As a pooling, and a function for each input element and output."""
    x = arguments.required(inputs, 0)
    functions = outputs[0].elements + x.tensor.elements
    return _pool_work(node, inputs, outputs, scope) + Work(functions=functions, steps=0)


def _lp_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    x = arguments.present(inputs, 0)
    p = _order(node)
    windows = _windows(node, x.shape)
    padded = pad_spatial(_power_of(_wide(x), p), windows, 0)
    total = np.zeros((*x.shape[:2], *windows.output), padded.dtype)
    for part in slices(windows):
        total = total + padded[(slice(None), slice(None), *part)]
    return [_root_of(total, p).astype(x.dtype)]


def _global_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 1, 1)
    x = arguments.required(inputs, 0)
    dtype = arguments.one_of(x, arguments.FLOATS, "an input")
    if len(x.shape) < 3 or 0 in x.shape[2:]:
        raise Refuse(f"its input {list(x.shape)} has no spatial elements")
    _order(node)
    return [arguments.tensor(dtype, (*x.shape[:2], *(1,) * (len(x.shape) - 2)))]


def _global_run(reduce: Callable[[Node, Array, tuple[int, ...]], Array]) -> Run:
    def run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
        x = arguments.present(inputs, 0)
        return [reduce(node, _wide(x), tuple(range(2, x.ndim))).astype(x.dtype)]

    return run


def _global_average(node: Node, x: Array, axes: tuple[int, ...]) -> Array:
    return numerics.ordered_mean(x, axes, keepdims=True)


def _global_max(node: Node, x: Array, axes: tuple[int, ...]) -> Array:
    return numerics.reduce_maximum(x, axes, keepdims=True)


def _global_lp(node: Node, x: Array, axes: tuple[int, ...]) -> Array:
    p = _order(node)
    return _root_of(numerics.ordered_sum(_power_of(x, p), axes, keepdims=True), p)


def _global_lp_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """Two passes and a function for each element, a function for each output."""
    count = arguments.required(inputs, 0).tensor.elements
    return Work(elements=2 * count, functions=count + outputs[0].elements)


register("MaxPool", _max_infer, _max_run, _pool_work)
register("AveragePool", _average_infer, _average_run, _pool_work, since=7)
register("LpPool", _lp_infer, _lp_run, _lp_work, since=2)
register("GlobalAveragePool", _global_infer, _global_run(_global_average))
register("GlobalMaxPool", _global_infer, _global_run(_global_max))
register("GlobalLpPool", _global_infer, _global_run(_global_lp), _global_lp_work, since=2)

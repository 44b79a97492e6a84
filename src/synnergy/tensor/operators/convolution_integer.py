"""ConvInteger and QLinearConv: convolutions of 8-bit integers, exact until they are rescaled."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from synnergy.tensor import numerics
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.quantization import quantised
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.operators.windows import (
    Windows,
    input_windows,
    pad_spatial,
    slices,
)
from synnergy.tensor.types import Array, Node, Refuse, TensorType, Value, ValueType, Work

_BYTES = ("int8", "uint8")


def _windows(node: Node, x: Sequence[int], weights: Sequence[int]) -> tuple[Windows, int]:
    """The windows and the number of groups. Raises Refuse."""
    if len(x) < 3 or len(weights) != len(x):
        raise Refuse(f"weights of shape {tuple(weights)} don't fit {tuple(x)}")
    groups = arguments.integer(node, "group", 1, 1, max(x[1], 1))
    if weights[1] * groups != x[1] or weights[0] % groups:
        raise Refuse(f"weights of shape {tuple(weights)} don't fit {tuple(x)}, {groups} groups")
    declared = arguments.integers(node, "kernel_shape")
    if declared and declared != tuple(weights[2:]):
        raise Refuse(f"kernel_shape {declared} isn't that of the weights")
    return input_windows(node, x, tuple(weights[2:])), groups


def _zero_fits(zero: Value | None, data: Value, sizes: Sequence[int]) -> None:
    """A zero point (or scale) is one element or a vector of one of these sizes."""
    if zero is None:
        return
    if zero.tensor.elements != 1 and zero.shape not in [(size,) for size in sizes]:
        raise Refuse(f"a zero point or scale of shape {zero.shape} doesn't fit {data.shape}")


def _result(node: Node, x: Value, weights: Value, dtype: str) -> TensorType:
    arguments.one_of(x, _BYTES, "x")
    arguments.one_of(weights, _BYTES, "w")
    windows, _ = _windows(node, x.shape, weights.shape)
    return arguments.tensor(dtype, (x.shape[0], weights.shape[0], *windows.output))


def _shifted(x: Array, zero: Array | None) -> Array:
    """float64 differences from the zero point, a vector of which is per filter."""
    wide = x.astype(np.float64)
    if zero is None:
        return wide
    shape = () if zero.size == 1 else (-1,) + (1,) * (x.ndim - 1)
    return wide - zero.reshape(shape).astype(np.float64)


def _convolved(
    node: Node, x: Array, weights: Array, x_zero: Array | None, w_zero: Array | None
) -> Array:
    """Exact sums as int64; padding is the zero point. SHAPE-101

    Products are below 2^18 and terms at most 2^28, so that float64 holds every partial sum.
    """
    windows, groups = _windows(node, x.shape, weights.shape)
    padded = pad_spatial(_shifted(x, x_zero), windows, 0)
    kernels = _shifted(weights, w_zero)
    filters, channels = weights.shape[0] // groups, weights.shape[1]
    cells = math.prod(windows.output)
    total = np.zeros((x.shape[0], groups, filters, cells), np.float64)
    flat = kernels.reshape(groups, filters, channels, windows.positions)
    for position, place in enumerate(slices(windows)):
        patch = padded[(slice(None), slice(None), *place)]
        columns = patch.reshape(x.shape[0], groups, channels, cells)
        total += np.matmul(flat[..., position], columns)
    return total.reshape(x.shape[0], weights.shape[0], *windows.output).astype(np.int64)


def _work(x: Value, weights: Value, output: ValueType, elements: int) -> Work:
    terms = math.prod(weights.shape[1:])
    return Work(macs=output.elements * terms, elements=x.tensor.elements + elements)


def _integer_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 2, 4)
    x, weights = arguments.required(inputs, 0), arguments.required(inputs, 1)
    x_zero, w_zero = arguments.optional(inputs, 2), arguments.optional(inputs, 3)
    result = _result(node, x, weights, "int32")
    for zero, data in ((x_zero, x), (w_zero, weights)):
        if zero is not None and zero.dtype != data.dtype:
            raise Refuse("a zero point is of another type than its data")
    _zero_fits(x_zero, x, ())
    _zero_fits(w_zero, weights, weights.shape[:1])
    return [result]


def _integer_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    x, weights = arguments.present(inputs, 0), arguments.present(inputs, 1)
    x_zero, w_zero = arguments.given(inputs, 2), arguments.given(inputs, 3)
    return [_convolved(node, x, weights, x_zero, w_zero).astype(np.int32)]


def _integer_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """A multiply-add for each term of each output; the input is read, outputs written."""
    x, weights = arguments.required(inputs, 0), arguments.required(inputs, 1)
    return _work(x, weights, outputs[0], outputs[0].elements)


def _linear_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 8, 9)
    values = [arguments.required(inputs, place) for place in range(8)]
    x, x_scale, x_zero, weights, w_scale, w_zero, y_scale, y_zero = values
    for zero, data in ((x_zero, x), (w_zero, weights)):
        if zero.dtype != data.dtype:
            raise Refuse("a zero point is of another type than its data")
    for scale in (x_scale, w_scale, y_scale):
        arguments.one_of(scale, ("float32",), "a scale")
    arguments.one_of(y_zero, _BYTES, "y_zero_point")
    for value in (x_scale, x_zero, y_scale, y_zero):
        _zero_fits(value, x, ())
    result = _result(node, x, weights, y_zero.dtype)
    for value in (w_scale, w_zero):
        _zero_fits(value, weights, weights.shape[:1])
    bias = arguments.optional(inputs, 8)
    if bias is not None and (bias.dtype != "int32" or bias.shape != weights.shape[:1]):
        raise Refuse(f"a bias of {bias.dtype} {bias.shape} doesn't fit")
    return [result]


@numerics.quiet
def _linear_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    """round((sum + bias) * (x_scale * w_scale / y_scale)) + y_zero_point. SHAPE-103"""
    x, x_scale, x_zero, weights, w_scale, w_zero, y_scale, y_zero = (
        arguments.present(inputs, place) for place in range(8)
    )
    total = _convolved(node, x, weights, x_zero, w_zero)
    column = (-1,) + (1,) * (x.ndim - 2)
    bias = arguments.given(inputs, 8)
    if bias is not None:
        total = total + bias.reshape(column).astype(np.int64)
    factor = x_scale.reshape(()) * w_scale.reshape(column) / y_scale.reshape(())
    real = total.astype(np.int32).astype(np.float32) * factor
    return [quantised(real, y_zero.reshape(()), y_zero.dtype)]


def _linear_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """As ConvInteger; four passes over the outputs scale, round and shift them."""
    x, weights = arguments.required(inputs, 0), arguments.required(inputs, 3)
    return _work(x, weights, outputs[0], 4 * outputs[0].elements)


register("ConvInteger", _integer_infer, _integer_run, _integer_work, since=10)
register("QLinearConv", _linear_infer, _linear_run, _linear_work, since=10)

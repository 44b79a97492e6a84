"""Linear quantisation, and matrix products of 8-bit integers.

SHAPE-100: quantised = round to nearest even (x / scale) + zero point, bounded to the type; NaN
becomes the zero point. Dequantised = (x - zero point) * scale, the difference exact.
SHAPE-101: integer products are exact and then wrap to int32.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synnergy.tensor import numerics
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import DTYPES, Array, Node, Refuse, Value, ValueType, Work

_BYTES = ("int8", "uint8")
_SMALL = (*_BYTES, "int16", "uint16")


def quantised(x: Array, zero: Array, dtype: np.dtype[np.generic]) -> Array:
    """Rounded, shifted and bounded to an integer type; `x` is already divided by the scale."""
    bounds = np.iinfo(dtype.type)  # pyright: ignore[reportCallIssue, reportArgumentType]
    whole = np.where(np.isnan(x), 0.0, np.rint(x)).astype(np.float64) + zero
    return np.clip(whole, bounds.min, bounds.max).astype(dtype)


def exact_matmul(a: Array, b: Array) -> Array:
    """int32 matrix product of small integers. SHAPE-101

    Each is below 2^9 and there are at most 2^28 terms, so that float64 holds every partial sum
    exactly, whatever the order.
    """
    product = np.matmul(a.astype(np.float64), b.astype(np.float64))
    return product.astype(np.int64).astype(np.int32)


def aligned_shape(
    node: Node, shape: Sequence[int], scale: Sequence[int]
) -> tuple[list[int], int, int] | None:
    """None for one scale; else its shape against x's axes, the axis, and the block size."""
    block = arguments.integer(node, "block_size", 0, low=0) if node.opset >= 21 else 0
    if not block and (len(scale) == 0 or (len(scale) == 1 and scale[0] == 1)):
        return None
    axis = arguments.axis_of(arguments.integer(node, "axis", 1), len(shape))
    if not block:
        if len(scale) != 1 or scale[0] != shape[axis]:
            raise Refuse(f"a scale of shape {tuple(scale)} for axis {axis} of {tuple(shape)}")
        return [scale[0] if place == axis else 1 for place in range(len(shape))], axis, 1
    wanted = [-(-size // block) if place == axis else size for place, size in enumerate(shape)]
    if list(scale) != wanted:
        raise Refuse(f"a scale of shape {tuple(scale)} where {tuple(wanted)} belongs")
    return wanted, axis, block


def _aligned(node: Node, x: Array, scale: Array) -> Array:
    """`scale` (or the zero point) so that it broadcasts against `x`."""
    found = aligned_shape(node, x.shape, scale.shape)
    if found is None:
        return scale.reshape(())
    shape, axis, block = found
    spread = scale.reshape(shape)
    if block == 1:
        return spread
    line = np.arange(x.shape[axis], dtype=np.int64) // block
    return np.take(spread, line, axis)


def _zero_fits(zero: Value | None, scale: Value, dtype: str) -> None:
    if zero is not None and (zero.dtype != dtype or zero.shape != scale.shape):
        raise Refuse(f"a zero point of {zero.dtype} {zero.shape} doesn't fit the scale")


def _quantized_type(node: Node, zero: str | None) -> str:
    """The zero point's type, else `output_dtype` (from opset 21), else uint8."""
    code = arguments.integer(node, "output_dtype", 0) if node.opset >= 21 else 0
    dtype = zero or (arguments.onnx_dtype(code) if code else "uint8")
    if code and arguments.onnx_dtype(code) != dtype:
        raise Refuse(f"output_dtype isn't the zero point's type {dtype}")
    if dtype not in (_SMALL if node.opset >= 21 else _BYTES):
        raise Refuse(f"quantisation to {dtype} isn't supported")
    return dtype


def _quantize_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 2, 3)
    x, scale = arguments.required(inputs, 0), arguments.required(inputs, 1)
    zero = arguments.optional(inputs, 2)
    arguments.one_of(x, ("float32", "float16", "int32"), "x")
    arguments.one_of(scale, ("float32", "float16"), "y_scale")
    if arguments.integer(node, "precision", 0) not in (0, 1):
        raise Refuse("quantisation divides in float32 only")
    dtype = _quantized_type(node, None if zero is None else zero.dtype)
    _zero_fits(zero, scale, dtype)
    aligned_shape(node, x.shape, scale.shape)
    return [arguments.tensor(dtype, x.shape)]


@numerics.quiet
def _quantize_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    x, scale = arguments.present(inputs, 0), arguments.present(inputs, 1)
    zero = arguments.given(inputs, 2)
    dtype = DTYPES[_quantized_type(node, None if zero is None else arguments.dtype_name(zero))]
    offset = np.zeros((), dtype) if zero is None else _aligned(node, x, zero)
    quotient = x.astype(np.float32) / _aligned(node, x, scale).astype(np.float32)
    return [quantised(quotient, offset, dtype)]


def _dequantized_type(node: Node, scale: str) -> str:
    code = arguments.integer(node, "output_dtype", 0) if node.opset >= 23 else 0
    dtype = arguments.onnx_dtype(code) if code else scale
    if dtype not in ("float32", "float16"):
        raise Refuse(f"dequantisation to {dtype} isn't supported")
    return dtype


def _dequantize_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 2, 3)
    x, scale = arguments.required(inputs, 0), arguments.required(inputs, 1)
    zero = arguments.optional(inputs, 2)
    arguments.one_of(x, (*_SMALL, "int32"), "x")
    arguments.one_of(scale, ("float32", "float16"), "x_scale")
    _zero_fits(zero, scale, x.dtype)
    aligned_shape(node, x.shape, scale.shape)
    return [arguments.tensor(_dequantized_type(node, scale.dtype), x.shape)]


@numerics.quiet
def _dequantize_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    x, scale = arguments.present(inputs, 0), arguments.present(inputs, 1)
    zero = arguments.given(inputs, 2)
    whole = x.astype(np.int64)
    if zero is not None:
        whole = whole - _aligned(node, x, zero).astype(np.int64)
    result = whole.astype(np.float32) * _aligned(node, x, scale).astype(np.float32)
    return [result.astype(DTYPES[_dequantized_type(node, arguments.dtype_name(scale))])]


def _dynamic_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 1, 1, 3)
    x = arguments.required(inputs, 0)
    arguments.one_of(x, ("float32",), "x")
    types: list[ValueType] = [
        arguments.tensor("uint8", x.shape),
        arguments.tensor("float32", ()),
        arguments.tensor("uint8", ()),
    ]
    return types[: len(node.outputs)]


@numerics.quiet
def _dynamic_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    """The range, widened to hold 0, is divided by 255; an empty range has scale 1. SHAPE-102"""
    x = arguments.present(inputs, 0)
    nothing = np.zeros((), np.float32)
    high = numerics.maximum(numerics.reduce_maximum(x), nothing) if x.size else nothing
    low = numerics.minimum(numerics.reduce_minimum(x), nothing) if x.size else nothing
    scale = np.where(high == low, np.float32(1), (high - low) / np.float32(255))
    zero = quantised(nothing - low / scale, np.zeros((), np.uint8), DTYPES["uint8"])
    results = [
        quantised(x / scale, zero, DTYPES["uint8"]),
        np.asarray(scale, np.float32),
        np.asarray(zero, np.uint8),
    ]
    return results[: len(node.outputs)]


def _three_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """A division, a rounding and a shift for each element (and the range before)."""
    elements = outputs[0].elements
    return Work(elements=(5 if node.operator == "DynamicQuantizeLinear" else 3) * elements)


def product_shape(a: Sequence[int], b: Sequence[int]) -> list[int]:
    """numpy's shape of a matrix product. Raises Refuse."""
    if not a or not b:
        raise Refuse("a scalar in a matrix product")
    left, right = ([1, *a] if len(a) == 1 else list(a)), ([*b, 1] if len(b) == 1 else list(b))
    if left[-1] != right[-2]:
        raise Refuse(f"shapes {tuple(a)} and {tuple(b)} don't multiply")
    batch = arguments.broadcast([left[:-2], right[:-2]])
    return [*batch, *(left[-2:-1] if len(a) > 1 else ()), *(right[-1:] if len(b) > 1 else ())]


def _product_work(a: Value, b: Value, output: ValueType, elements: int) -> Work:
    terms = a.shape[-1]
    moved = a.tensor.elements + b.tensor.elements
    return Work(macs=output.elements * terms, elements=moved + elements * output.elements)


def _rows_fit(value: Value | None, data: Value, axis: int, label: str) -> None:
    """A scale or zero point is one element or one for each row (-2) or column (-1)."""
    if value is None or value.tensor.elements == 1:
        return
    size = data.shape[axis] if len(data.shape) >= 2 else None
    if len(value.shape) != 1 or value.shape[0] != size:
        raise Refuse(f"{label} of shape {value.shape} doesn't fit {data.shape}")


def _spread(array: Array, rows: bool) -> Array:
    """One element as a scalar, a vector as a column (`rows`) or a row."""
    if array.size == 1:
        return array.reshape(())
    return array[:, None] if rows else array


def _shifted(data: Array, zero: Array | None, rows: bool) -> Array:
    wide = data.astype(np.int32)
    return wide if zero is None else wide - _spread(zero, rows).astype(np.int32)


def _integer_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 2, 4)
    for place, label in enumerate("AB"):
        data, zero = arguments.required(inputs, place), arguments.optional(inputs, place + 2)
        arguments.one_of(data, _BYTES, label)
        _rows_fit(zero, data, -2 + place, f"zero point of {label}")
        if zero is not None and zero.dtype != data.dtype:
            raise Refuse(f"the zero point of {label} is of another type")
    a, b = arguments.required(inputs, 0), arguments.required(inputs, 1)
    return [arguments.tensor("int32", product_shape(a.shape, b.shape))]


def _integer_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    a = _shifted(arguments.present(inputs, 0), arguments.given(inputs, 2), rows=True)
    b = _shifted(arguments.present(inputs, 1), arguments.given(inputs, 3), rows=False)
    return [np.asarray(exact_matmul(a, b))]


def _integer_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """A multiply-add for each term; both operands are read, results written."""
    a, b = arguments.required(inputs, 0), arguments.required(inputs, 1)
    return _product_work(a, b, outputs[0], 1)


def _linear_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 8, 8)
    values = [arguments.required(inputs, place) for place in range(8)]
    a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero = values
    for data, zero, label in ((a, a_zero, "a"), (b, b_zero, "b")):
        arguments.one_of(data, _BYTES, label)
        if zero.dtype != data.dtype:
            raise Refuse(f"the zero point of {label} is of another type")
    for scale in (a_scale, b_scale, y_scale):
        arguments.one_of(scale, ("float32", "float16"), "a scale")
    arguments.one_of(y_zero, _BYTES, "y_zero_point")
    for value in (a_scale, a_zero, y_scale, y_zero):
        _rows_fit(value, a, -2, "a scale or zero point")
    for value in (b_scale, b_zero):
        _rows_fit(value, b, -1, "a scale or zero point of b")
    return [arguments.tensor(y_zero.dtype, product_shape(a.shape, b.shape))]


@numerics.quiet
def _linear_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    """round(product * (a_scale * b_scale / y_scale)) + y_zero_point, in float32. SHAPE-103"""
    a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero = (
        arguments.present(inputs, place) for place in range(8)
    )
    product = exact_matmul(_shifted(a, a_zero, rows=True), _shifted(b, b_zero, rows=False))
    left, right, down = (scale.astype(np.float32) for scale in (a_scale, b_scale, y_scale))
    factor = _spread(left, True) * _spread(right, False) / _spread(down, True)
    real = product.astype(np.float32) * factor
    return [quantised(np.asarray(real), _spread(y_zero, True), y_zero.dtype)]


def _linear_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """As MatMulInteger; four passes over the results scale, round and shift them."""
    a, b = arguments.required(inputs, 0), arguments.required(inputs, 3)
    return _product_work(a, b, outputs[0], 4)


register("QuantizeLinear", _quantize_infer, _quantize_run, _three_work, since=10)
register("DequantizeLinear", _dequantize_infer, _dequantize_run, _three_work, since=10)
register("DynamicQuantizeLinear", _dynamic_infer, _dynamic_run, _three_work, since=11)
register("MatMulInteger", _integer_infer, _integer_run, _integer_work, since=10)
register("QLinearMatMul", _linear_infer, _linear_run, _linear_work, since=10)

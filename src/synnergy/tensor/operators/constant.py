"""Tensors made from attributes and shapes: Constant, ConstantOfShape, Range, EyeLike, OneHot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import numpy as np

from synnergy.tensor.environment import quiet
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import DTYPES, Array, Node, Refuse, TensorType, Value, ValueType, Work

# Larger identity matrices are made when they are needed, not while planning.
_KNOWN_ELEMENTS = 1 << 16

_CONSTANT_FORMS = (
    "value",
    "value_int",
    "value_ints",
    "value_float",
    "value_floats",
    "value_string",
    "value_strings",
)


def _strings(items: Sequence[object], shape: tuple[int, ...]) -> Array:
    if not all(isinstance(item, str) for item in items):
        raise Refuse("a text in a constant isn't UTF-8")
    result: Array = np.empty(len(items), dtype=object)
    result[:] = items
    return result.reshape(shape)


def _constant(node: Node) -> Array:
    """The one attribute that is set, as an array. SHAPE-10"""
    forms = [form for form in _CONSTANT_FORMS if node.attribute(form) is not None]
    if len(forms) != 1:
        raise Refuse(f"a constant needs exactly one dense value, not {len(forms)}")
    form = forms[0]
    value = node.attribute(form)
    if form == "value":
        if not isinstance(value, np.ndarray):
            raise Refuse("attribute value isn't a tensor")
        return cast("Array", value)
    if form == "value_int":
        return np.array(arguments.integer(node, form), np.int64)
    if form == "value_float":
        return np.array(arguments.number(node, form, 0.0), np.float32)
    if form == "value_string":
        return _strings([value], ())
    if form == "value_ints":
        return np.array(arguments.integers(node, form), np.int64)
    if form == "value_floats":
        return np.array(arguments.numbers(node, form), np.float32)
    items = arguments.texts(node, form) or ()
    return _strings(items, (len(items),))


def _constant_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 0, 0)
    array = _constant(node)
    return [arguments.tensor(arguments.dtype_name(array), array.shape)]


def _constant_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    return [_constant(node)]


def _fill(node: Node) -> Array:
    value = node.attribute("value")
    if value is None:
        return np.zeros((), np.float32)
    if not isinstance(value, np.ndarray) or cast("Array", value).size != 1:
        raise Refuse("attribute value isn't a tensor of one element")
    return cast("Array", value).reshape(())


def _constant_of_shape_infer(
    node: Node, inputs: Sequence[Value | None], scope: Scope
) -> list[ValueType]:
    arguments.arity(node, inputs, 1, 1)
    shape = arguments.known_integers(arguments.required(inputs, 0), "input")
    return [arguments.tensor(arguments.dtype_name(_fill(node)), shape)]


def _constant_of_shape_run(
    node: Node, inputs: Sequence[Array | None], scope: Scope
) -> list[Array]:
    fill = _fill(node)
    shape = tuple(int(size) for size in arguments.present(inputs, 0).reshape(-1))
    return [np.full(shape, fill, fill.dtype)]


_RANGE_TYPES = ("int16", "int32", "int64", "float16", "float32", "float64")


@quiet
def _range_length(start: Array, limit: Array, delta: Array) -> int:
    """How many steps of `delta` from `start` stay before `limit`. SHAPE-12

    Floats subtract in their own type and divide in float64; ints are exact.
    """
    if delta == 0:
        raise Refuse("a range with a step of zero never ends")
    if start.dtype.kind == "i":
        return max(-((int(start) - int(limit)) // int(delta)), 0)
    count = np.float64(limit - start) / np.float64(delta)
    if not np.isfinite(count):
        raise Refuse("a range needs finite bounds")
    return max(math.ceil(count), 0)


def _range_terms(node: Node, inputs: Sequence[Array]) -> tuple[Array, Array, Array]:
    """start, limit and delta as scalars of the type that the sum is computed in."""
    narrow = inputs[0].dtype == np.float16 and arguments.integer(node, "stash_type", 1) == 1
    start, limit, delta = (
        array.reshape(()).astype(np.float32 if narrow else array.dtype) for array in inputs
    )
    return start, limit, delta


def _range_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 3, 3)
    values = [arguments.required(inputs, position) for position in range(3)]
    dtype = arguments.same_dtype(values)
    arguments.one_of(values[0], _RANGE_TYPES, "start")
    labels = ("start", "limit", "delta")
    arrays = [arguments.known(value, label) for value, label in zip(values, labels, strict=True)]
    if any(array.size != 1 for array in arrays):
        raise Refuse("start, limit and delta of a range must be scalars")
    return [arguments.tensor(dtype, (_range_length(*_range_terms(node, arrays)),))]


@quiet
def _range_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    arrays = [arguments.present(inputs, position) for position in range(3)]
    start, limit, delta = _range_terms(node, arrays)
    terms = np.full(_range_length(start, limit, delta), delta)
    terms[:1] = start
    # numpy accumulates one term after another, each sum rounded. SHAPE-13
    return [np.add.accumulate(terms, dtype=terms.dtype).astype(arrays[0].dtype)]


def _eye_type(node: Node, inputs: Sequence[Value | None]) -> TensorType:
    arguments.arity(node, inputs, 1, 1)
    like = arguments.required(inputs, 0)
    if len(like.shape) != 2:
        raise Refuse(f"an identity matrix is of rank 2, not {len(like.shape)}")
    code = node.attribute("dtype")
    dtype = like.dtype if code is None else arguments.onnx_dtype(arguments.integer(node, "dtype"))
    if dtype == "string":
        raise Refuse("an identity matrix of strings isn't supported")
    return arguments.tensor(dtype, like.shape)


def _eye(node: Node, dtype: str, shape: Sequence[int]) -> Array:
    rows, columns = shape
    offset = arguments.integer(node, "k", 0)
    if not -rows < offset < columns:  # SHAPE-11; numpy's own arithmetic on offsets could overflow
        return np.zeros((rows, columns), DTYPES[dtype])
    return np.eye(rows, columns, offset, DTYPES[dtype])


def _eye_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.integer(node, "k", 0)
    return [_eye_type(node, inputs)]


def _eye_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    like = arguments.present(inputs, 0)
    code = node.attribute("dtype")
    dtype = arguments.dtype_name(like) if code is None else arguments.onnx_dtype(code)
    return [_eye(node, dtype, like.shape)]


def _eye_value(node: Node, inputs: Sequence[Value | None], scope: Scope) -> Array | None:
    result = _eye_type(node, inputs)
    if result.elements > _KNOWN_ELEMENTS:
        return None
    return _eye(node, result.dtype, result.shape)


def _one_hot_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 3, 3)
    indices, depth, values = (arguments.required(inputs, position) for position in range(3))
    arguments.one_of(indices, arguments.NUMBERS, "indices")
    if values.shape != (2,):
        raise Refuse(f"values must be two elements (off, on), not of shape {values.shape}")
    axis = arguments.axis_of(arguments.integer(node, "axis", -1), len(indices.shape) + 1)
    size = _depth(arguments.known(depth, "depth"))
    return [arguments.tensor(values.dtype, (*indices.shape[:axis], size, *indices.shape[axis:]))]


def _depth(depth: Array) -> int:
    if depth.size != 1 or depth.dtype.kind not in "iuf":
        raise Refuse("depth must be one number")
    value = depth.reshape(-1)[0]
    if not np.isfinite(value) or value < 0:
        raise Refuse(f"depth {value} isn't a number of classes")
    return int(value)


@quiet
def _one_hot_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    indices, depth, values = (arguments.present(inputs, position) for position in range(3))
    size = _depth(depth)
    axis = arguments.axis_of(arguments.integer(node, "axis", -1), indices.ndim + 1)
    # NaN and numbers outside the range are no class at all; a fraction is cut off. SHAPE-14
    whole: Array = np.trunc(indices.astype(np.float64)) if indices.dtype.kind == "f" else indices
    inside = (whole >= -size) & (whole < size)
    classes = np.where(inside, whole, whole.dtype.type(0)).astype(np.int64)
    classes = np.where(classes < 0, classes + size, classes)
    hot = np.expand_dims(np.where(inside, classes, np.int64(-1)), axis)
    line: Array = np.arange(size).reshape((-1,) + (1,) * (indices.ndim - axis))
    return [values[(hot == line).astype(np.int64)]]


def _twice_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """Two passes over the output."""
    return Work(elements=outputs[0].elements * 2)


register("Constant", _constant_infer, _constant_run, arguments.relabel_work)
register(
    "ConstantOfShape",
    _constant_of_shape_infer,
    _constant_of_shape_run,
    arguments.move_work,
    since=9,
)
register("Range", _range_infer, _range_run, _twice_work, since=11)
register("EyeLike", _eye_infer, _eye_run, arguments.move_work, since=9, value=_eye_value)
register("OneHot", _one_hot_infer, _one_hot_run, _twice_work, since=9)

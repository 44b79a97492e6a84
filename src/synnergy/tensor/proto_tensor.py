"""TensorProto to array, without onnx's own reader, which would open external files."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from synnergy.tensor.limits import Limits
from synnergy.tensor.types import DTYPE_OF_CODE, DTYPES, Array, Refuse

_TYPED_FIELDS = {
    "float32": "float_data",
    "float64": "double_data",
    "int64": "int64_data",
    "uint32": "uint64_data",
    "uint64": "uint64_data",
}
_DATA_FIELDS = ("float_data", "int32_data", "string_data", "int64_data", "double_data")


def dtype_of_code(code: int) -> str:
    """Name of an element type's code; raises Refuse where we don't have it."""
    name = DTYPE_OF_CODE.get(code)
    if name is None:
        names = {number: label.lower() for label, number in onnx.TensorProto.DataType.items()}
        raise Refuse(f"element type {names.get(code, f'number {code}')} isn't supported")
    return name


def decode_tensor(proto: Any, limits: Limits) -> Array:
    """A read-only array. Raises Refuse where sizes, type or location are not acceptable."""
    if proto.data_location != 0 or len(proto.external_data):
        raise Refuse("its data are outside the file; embed them")
    if proto.HasField("segment"):
        raise Refuse("it is a segment of a larger tensor")
    dtype = dtype_of_code(proto.data_type)
    shape = checked_shape(proto.dims, limits)
    count = 1
    for dimension in shape:
        count *= dimension
    if dtype == "string":
        array = _strings(proto.string_data, count)
    elif proto.HasField("raw_data"):
        array = _raw(proto, dtype, count)
    else:
        array = _typed(proto, dtype, count)
    array = array.reshape(shape)
    array.setflags(write=False)
    return array


def checked_shape(dims: Any, limits: Limits) -> tuple[int, ...]:
    """Dimensions as a tuple, within the limits on rank and elements. TENSOR-30"""
    if len(dims) > limits.rank:
        raise Refuse(f"its rank {len(dims)} is above the limit of {limits.rank}")
    shape = tuple(int(dimension) for dimension in dims)
    product = 1
    for dimension in shape:
        if dimension < 0:
            raise Refuse(f"it has a negative dimension: {list(shape)}")
        product *= max(dimension, 1)
    if product > limits.elements:
        raise Refuse(f"its shape {list(shape)} is above the limit of {limits.elements} elements")
    return shape


def _strings(items: Any, count: int) -> Array:
    if len(items) != count:
        raise Refuse(f"it holds {len(items)} strings where its shape says {count}")
    array = np.empty(count, object)
    try:
        array[:] = [bytes(item).decode("utf-8") for item in items]
    except UnicodeDecodeError:
        raise Refuse("it holds a string that isn't UTF-8") from None
    return array


def _raw(proto: Any, dtype: str, count: int) -> Array:
    raw = bytes(proto.raw_data)
    element = DTYPES[dtype]
    if len(raw) != count * element.itemsize:
        raise Refuse(f"it holds {len(raw)} bytes where {count * element.itemsize} belong")
    if any(len(getattr(proto, name)) for name in _DATA_FIELDS):
        raise Refuse("it holds its data twice")
    if dtype == "bool":
        return np.frombuffer(raw, np.uint8) != 0
    return np.frombuffer(raw, element.newbyteorder("<")).astype(element, copy=False)


def _typed(proto: Any, dtype: str, count: int) -> Array:
    items = getattr(proto, _TYPED_FIELDS.get(dtype, "int32_data"))
    if len(items) != count:
        raise Refuse(f"it holds {len(items)} elements where its shape says {count}")
    element = DTYPES[dtype]
    if dtype in ("float32", "float64"):
        return np.fromiter(items, element, count)
    if dtype == "uint64":
        return np.fromiter(items, np.uint64, count)
    wide = np.fromiter(items, np.int64 if dtype != "uint32" else np.uint64, count)
    if dtype == "bool":
        return wide != 0
    if dtype == "float16":  # bit patterns, as ONNX stores them
        return (wide & 0xFFFF).astype(np.uint16).view(np.float16)
    narrow = wide.astype(element)
    if (narrow.astype(wide.dtype) != wide).any():
        raise Refuse(f"it holds values outside {dtype}")
    return narrow

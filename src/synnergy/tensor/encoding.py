"""Canonical bytes of named tensors: what digests and commitments of inputs and outputs cover.

TENSOR-50: msgpack of structs, names sorted by their UTF-8 bytes and unique, little-endian data in
row-major order, one NaN; decoding accepts exactly what encoding gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from synnergy.rejected import Rejected
from synnergy.tensor.casts import canonicalise
from synnergy.tensor.limits import DEFAULT_LIMITS
from synnergy.tensor.types import DTYPES, Array, MapsType, TensorType, ValueType

NamedTensor = tuple[str, ValueType, Array]

_MOST_TENSORS = 1024


class _Tensor(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """One named value; `labels` is empty for a tensor, else (dtype of labels, labels) of maps."""

    name: str
    dtype: str
    shape: list[int]
    raw: bytes
    strings: list[str]
    int_labels: list[int] | None
    string_labels: list[str] | None


class _Tensors(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    version: int
    tensors: list[_Tensor]


_VERSION = 1
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Tensors)


def encode_tensors(tensors: Sequence[NamedTensor]) -> bytes:
    """Canonical bytes of named values, in whatever order they are given.

    Raises ValueError where a name repeats or an array is not of its type.
    """
    ordered = sorted(tensors, key=lambda tensor: tensor[0].encode("utf-8"))
    names = [name for name, _, _ in ordered]
    if len(set(names)) != len(names):
        raise ValueError("two tensors have one name")
    if len(names) > _MOST_TENSORS:
        raise ValueError(f"{len(names)} tensors are above the limit of {_MOST_TENSORS}")
    return _encoder.encode(_Tensors(_VERSION, [_pack(*tensor) for tensor in ordered]))


def _pack(name: str, kind: ValueType, array: Array) -> _Tensor:
    shape = value_shape(kind)
    if array.shape != shape or array.dtype != DTYPES[kind.dtype]:
        raise ValueError(f"{name!r} is {array.dtype}{array.shape}, not {kind.dtype}{shape}")
    integers: list[int] | None = None
    strings: list[str] | None = None
    if isinstance(kind, MapsType):
        integers = [label for label in kind.labels if isinstance(label, int)] or None
        strings = [label for label in kind.labels if isinstance(label, str)]
        strings = None if integers is not None else strings
    if kind.dtype == "string":
        texts: list[str] = [str(item) for item in array.reshape(-1).tolist()]
        return _Tensor(name, kind.dtype, list(shape), b"", texts, integers, strings)
    little = canonicalise(array).astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    return _Tensor(name, kind.dtype, list(shape), little.tobytes(), [], integers, strings)


def value_shape(kind: ValueType) -> tuple[int, ...]:
    """The shape of the array that holds a value of this type."""
    return (kind.rows, len(kind.labels)) if isinstance(kind, MapsType) else kind.shape


def decode_tensors(data: bytes, max_bytes: int) -> list[NamedTensor] | Rejected:
    """Named values in canonical order, or why `data` is not their canonical encoding."""
    if len(data) > max_bytes:
        return _reject("too_large", f"{len(data)} bytes of tensors are above {max_bytes}")
    try:
        decoded = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _reject("malformed", "the bytes are not an encoding of tensors")
    if decoded.version != _VERSION or len(decoded.tensors) > _MOST_TENSORS:
        return _reject("malformed", "the bytes are of another version, or hold too many tensors")
    tensors: list[NamedTensor] = []
    for packed in decoded.tensors:
        unpacked = _unpack(packed)
        if isinstance(unpacked, Rejected):
            return unpacked
        tensors.append(unpacked)
    try:
        again = encode_tensors(tensors)
    except (ValueError, UnicodeEncodeError):
        return _reject("malformed", "two tensors have one name")
    if again != data:
        return _reject(
            "not_canonical", "the bytes are not the canonical encoding of their tensors"
        )
    return tensors


def _reject(code: str, message: str) -> Rejected:
    return Rejected("TENSOR-50", code, message)


def _unpack(packed: _Tensor) -> NamedTensor | Rejected:
    dtype = DTYPES.get(packed.dtype)
    if dtype is None:
        return _reject("malformed", f"{packed.name!r} is of an unknown element type")
    shape = tuple(packed.shape)
    count = 1
    for dimension in shape:
        if dimension < 0:
            return _reject("malformed", f"{packed.name!r} has a negative dimension")
        count *= max(dimension, 1)
    if count > DEFAULT_LIMITS.elements or len(shape) > DEFAULT_LIMITS.rank:
        return _reject("too_large", f"{packed.name!r} is above the limits on elements and rank")
    count = 0 if 0 in shape else count
    kind = _kind_of(packed, shape)
    if kind is None:
        return _reject("malformed", f"{packed.name!r} has labels that do not fit")
    held = len(packed.strings) if packed.dtype == "string" else len(packed.raw)
    if held != (count if packed.dtype == "string" else count * dtype.itemsize):
        return _reject("malformed", f"{packed.name!r} does not hold what its shape says")
    return packed.name, kind, _array_of(packed, dtype, shape, count)


def _kind_of(packed: _Tensor, shape: tuple[int, ...]) -> ValueType | None:
    integers, strings = packed.int_labels, packed.string_labels
    if integers is None and strings is None:
        return TensorType(packed.dtype, shape)
    labels = tuple(integers) if integers is not None else tuple(strings or ())
    if (integers is not None and strings is not None) or len(shape) != 2:
        return None
    if shape[1] != len(labels) or len(set(labels)) != len(labels):
        return None
    return MapsType(packed.dtype, shape[0], labels)


def _array_of(packed: _Tensor, dtype: np.dtype[Any], shape: tuple[int, ...], count: int) -> Array:
    if packed.dtype == "string":
        array: Array = np.empty(count, object)
        array[:] = packed.strings
        return array.reshape(shape)
    if packed.dtype == "bool":
        return (np.frombuffer(packed.raw, np.uint8) != 0).reshape(shape)
    return np.frombuffer(packed.raw, dtype.newbyteorder("<")).astype(dtype).reshape(shape)

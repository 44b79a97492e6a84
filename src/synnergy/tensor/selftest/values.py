"""Values for cases: bits of SHAKE-256 counted out by a name, the same on every machine."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np

from synnergy.tensor.types import DTYPES, Array

#: Bits of special values: zeros, infinities, NaN with payloads (quiet, signalling, negative),
#: subnormals, the smallest and largest numbers, neighbours of one, ties, where exp overflows.
_SPECIAL = {
    "float32": (
        *(0x00000000, 0x80000000, 0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00001, 0x7F800001),
        *(0xFFBFFFFF, 0x7FC12345, 0x00000001, 0x80000001, 0x007FFFFF, 0x80400000, 0x00800000),
        *(0x80800000, 0x7F7FFFFF, 0xFF7FFFFF, 0x3F800000, 0xBF800000, 0x3F7FFFFF, 0x3F800001),
        *(0x3F000000, 0xBF000000, 0x33800000, 0x4B000001, 0x42B17218, 0xC2AEAC50, 0x7F000000),
        *(0x4F000000, 0xCF000000, 0x5F000000, 0x3FC00000, 0x40200000, 0xBFC00000, 0x0D000000),
    ),
    "float64": (
        *(0x0000000000000000, 0x8000000000000000, 0x7FF0000000000000, 0xFFF0000000000000),
        *(0x7FF8000000000000, 0xFFF8000000000001, 0x7FF0000000000001, 0x0000000000000001),
        *(0x8000000000000001, 0x000FFFFFFFFFFFFF, 0x0010000000000000, 0x7FEFFFFFFFFFFFFF),
        *(0xFFEFFFFFFFFFFFFF, 0x3FF0000000000000, 0xBFF0000000000000, 0x3FEFFFFFFFFFFFFF),
        *(0x3FF0000000000001, 0x3FE0000000000000, 0x40862E42FEFA39EF, 0x43E0000000000000),
    ),
    "float16": (
        *(0x0000, 0x8000, 0x7C00, 0xFC00, 0x7E00, 0xFE01, 0x7C01, 0x0001, 0x8001, 0x03FF),
        *(0x0400, 0x7BFF, 0xFBFF, 0x3C00, 0xBC00, 0x3BFF, 0x3C01, 0x3800, 0x4900, 0xC900),
    ),
}
_BITS = {"float16": "<u2", "float32": "<u4", "float64": "<u8"}


def stream(name: str, count: int) -> bytes:
    """The first `count` bytes that belong to a name."""
    return hashlib.shake_256(name.encode()).digest(count)


def _numbers(name: str, shape: Sequence[int], kind: str) -> Array:
    count = math.prod(shape)
    size = np.dtype(kind).itemsize
    return np.frombuffer(stream(name, count * size), kind).reshape(tuple(shape))


def ordinary(name: str, shape: Sequence[int], dtype: str = "float32") -> Array:
    """Numbers between -4 and 4, integers of all bits, or truth values."""
    kind = DTYPES[dtype]
    if kind.kind == "f":
        return (_numbers(name, shape, "<i4") / 2.0**29).astype(kind)
    if kind.kind == "b":
        return _numbers(name, shape, "u1") % 2 == 1
    return _numbers(name, shape, kind.newbyteorder("<").str).astype(kind)


def hostile(name: str, shape: Sequence[int], dtype: str = "float32") -> Array:
    """Of floats a quarter special values, an eighth any bits at all; else as `ordinary`."""
    values = ordinary(name, shape, dtype)
    special = _SPECIAL.get(dtype)
    if special is None:
        return values
    unsigned = _BITS[dtype]
    table = np.array(special, unsigned)
    picks = _numbers(f"{name}/picks", shape, "u1")
    chosen = table[_numbers(f"{name}/special", shape, "u1") % len(table)]
    bits = np.where(picks < 64, chosen, _numbers(f"{name}/bits", shape, unsigned))
    plain = values.astype(values.dtype.newbyteorder("<")).view(unsigned)
    mixed = np.where(picks < 96, bits, plain).astype(unsigned)
    return mixed.view(np.dtype(dtype).newbyteorder("<")).astype(DTYPES[dtype])


def below(name: str, shape: Sequence[int], limit: int, dtype: str = "int64") -> Array:
    """Integers from 0 up to `limit`, which is left out."""
    return (_numbers(name, shape, "<u4") % limit).astype(DTYPES[dtype])

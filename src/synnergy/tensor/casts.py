"""Conversions between element types, and the one NaN.

TENSOR-15: what ONNX Runtime does on x86 where ONNX leaves it open, written as a rule. See `cast`.
"""

from __future__ import annotations

import numpy as np

from synnergy.tensor.environment import quiet
from synnergy.tensor.types import DTYPES, Array, BadInput

_QUIET_NAN = {2: np.uint16(0x7E00), 4: np.uint32(0x7FC00000), 8: np.uint64(0x7FF8000000000000)}


def canonicalise(x: Array) -> Array:
    """`x` with every NaN replaced by the one positive quiet NaN without payload. TENSOR-4"""
    if x.dtype.kind != "f":
        return x
    nan = np.isnan(x)
    if not nan.any():
        return x
    bits = np.array(x, copy=True, order="C")
    raw = bits.view(f"u{x.dtype.itemsize}")
    raw[nan] = _QUIET_NAN[x.dtype.itemsize]
    return bits


@quiet
def cast(x: Array, to: str) -> Array:
    """`x` as element type `to` (a key of DTYPES). TENSOR-15

    float to float rounds to nearest even. float to integer truncates towards zero: to int64
    (NaN and what does not fit become -2^63), to uint64 (as int64, but 2^63 up to 2^64 is kept),
    to uint32 by int64 and its low bits, to int32 (NaN and misfits become -2^31), to 8 and 16 bits
    by int32 and its low bits. Integers to narrower integers keep the low bits. To bool: not equal
    to zero (NaN is true). Floats become strings with 8 significant digits, integers in decimal,
    bools 1 and 0. Strings become numbers as decimal text; BadInput where a string is not one.
    """
    target = DTYPES[to]
    if x.dtype == target:
        return x
    if x.dtype.kind == "O":
        return _from_strings(x, to)
    if to == "string":
        return _to_strings(x)
    if to == "bool":
        return x != 0
    if x.dtype.kind == "f" and target.kind in "iu":
        return _truncate(x, to)
    return x.astype(target)


def _truncate(x: Array, to: str) -> Array:
    wide = x.astype(np.float64)
    if to in ("int64", "uint64", "uint32"):
        fits = (wide >= -(2.0**63)) & (wide < 2.0**63)
        whole = np.where(fits, np.trunc(np.where(fits, wide, 0.0)).astype(np.int64), _MINIMUM_64)
        if to == "uint64":
            upper = (wide >= 2.0**63) & (wide < 2.0**64)
            high = np.where(upper, wide - 2.0**63, 0.0).astype(np.int64) ^ _MINIMUM_64
            whole = np.where(upper, high, whole)
        return whole.astype(DTYPES[to])
    fits = (wide > -(2.0**31) - 1.0) & (wide < 2.0**31)
    whole = np.where(fits, np.trunc(np.where(fits, wide, 0.0)), -(2.0**31)).astype(np.int32)
    return whole.astype(DTYPES[to])


_MINIMUM_64 = np.int64(-(2**63))


def _to_strings(x: Array) -> Array:
    result = np.empty(x.shape, object)
    if x.dtype.kind != "f":
        result.reshape(-1)[:] = [str(int(value)) for value in x.reshape(-1).tolist()]
        return result
    result.reshape(-1)[:] = [_number_text(value) for value in x.reshape(-1).tolist()]
    return result


def _number_text(value: float) -> str:
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "INF" if value > 0 else "-INF"
    return format(value, ".8g")


def _from_strings(x: Array, to: str) -> Array:
    texts = x.reshape(-1).tolist()
    if to == "bool":
        numbers = np.array([_parse_float(text) for text in texts], np.float64)
        return (numbers != 0).reshape(x.shape)
    if DTYPES[to].kind == "f":
        numbers = np.array([_parse_float(text) for text in texts], np.float64)
        return numbers.astype(DTYPES[to]).reshape(x.shape)
    whole = np.array([_parse_integer(text) for text in texts], np.int64)
    return whole.astype(DTYPES[to]).reshape(x.shape)


def _parse_float(text: str) -> float:
    """Decimal or scientific text, NaN or INF in any case; ASCII only, no underscores."""
    if len(text) <= 400 and text.isascii() and "_" not in text:
        try:
            return float(text)
        except ValueError:
            pass
    raise BadInput(f"Cast: {text[:40]!r} is not a number")


def _parse_integer(text: str) -> int:
    """Decimal integer text that fits int64."""
    if len(text) <= 40 and text.isascii() and "_" not in text:
        try:
            value = int(text)
        except ValueError:
            pass
        else:
            if -(2**63) <= value < 2**63:
                return value
    raise BadInput(f"Cast: {text[:40]!r} is not a 64-bit integer")

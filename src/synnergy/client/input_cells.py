"""Single values of an input file, and where in it they stand."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from synnergy.tensor.types import DTYPES, Array

if TYPE_CHECKING:
    from synnergy.client.inputs import Spec


class BadCell(Exception):
    """A value or a table does not fit the model; the message says where and why."""


_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_INTEGER = re.compile(r"[+-]?\d{1,20}")
_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "infinity": math.inf}
_TRUTH = {"true": True, "false": False, "1": True, "0": False}

#: What numpy calls the largest finite number of a type.
_LARGEST = {"float32": float(np.finfo(np.float32).max), "float64": float(np.finfo(np.float64).max)}


def from_text(text: str, dtype: str, where: str) -> object:
    """The value of a field of text; an empty one is missing."""
    field = text if dtype == "string" else text.strip()
    if not field:
        return _missing(dtype, where)
    if dtype == "string":
        return field
    if dtype == "bool":
        if field.lower() not in _TRUTH:
            raise BadCell(f"{where}: {text!r} is neither true nor false")
        return _TRUTH[field.lower()]
    if dtype in _LARGEST:
        return _fitting(_number_from_text(field, where), dtype, where)
    if not _INTEGER.fullmatch(field):
        raise BadCell(f"{where}: {text!r} is not an integer, the model wants {dtype}")
    return _fitting(int(field), dtype, where)


def from_json(value: object, dtype: str, where: str) -> object:
    """The value of a JSON scalar; null is missing, the strings NaN and ±Infinity are numbers."""
    if value is None:
        return _missing(dtype, where)
    if dtype == "string":
        if not isinstance(value, str):
            raise BadCell(f"{where}: {_shown(value)} is not a text")
        return value
    if dtype == "bool":
        if not isinstance(value, bool):
            raise BadCell(f"{where}: {_shown(value)} is neither true nor false")
        return value
    if dtype in _LARGEST:
        if isinstance(value, str) and value in ("NaN", "Infinity", "-Infinity"):
            return float(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadCell(f"{where}: {_shown(value)} is not a number")
        return float(_fitting(value, dtype, where))
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadCell(f"{where}: {_shown(value)} is not an integer, the model wants {dtype}")
    return _fitting(value, dtype, where)


def finite(digits: str, where: str) -> float:
    """The number that is written out; one that is written out is never infinite."""
    number = float(digits)
    if math.isinf(number):
        raise BadCell(f"{where}: {digits[:40]} is more than float64 can hold")
    return number


def make_array(values: Sequence[object], shape: tuple[int, ...], dtype: str) -> Array:
    """Values in row-major order as an array of the declared type; their number fits the shape."""
    if dtype == "string":
        array: Array = np.empty(len(values), object)
        array[:] = values
        return array.reshape(shape)
    return np.array(values, dtype=DTYPES[dtype]).reshape(shape)


def convert(array: Array, dtype: str, where: str) -> Array:
    """An array of another element type in the declared one, where no value changes its kind."""
    kind = array.dtype.kind
    if dtype == "string":
        if kind != "U":
            raise BadCell(f"{where} is {array.dtype}, the model wants texts")
        return array.astype(object)
    if (dtype == "bool") != (kind == "b"):
        raise BadCell(f"{where} is {array.dtype}, the model wants {dtype}")
    if dtype in _LARGEST and kind in "fiu":
        return _to_float(array, dtype, where)
    if dtype not in _LARGEST and kind in "biu":
        wanted = DTYPES[dtype]
        if kind != "b" and array.size:
            low, high = int(np.iinfo(wanted).min), int(np.iinfo(wanted).max)
            if int(array.min()) < low or int(array.max()) > high:
                raise BadCell(f"{where} holds an integer that {dtype} cannot hold")
        return array.astype(wanted)
    raise BadCell(f"{where} is {array.dtype}, the model wants {dtype}")


def fit_rank(array: Array, spec: Spec) -> Array:
    """A lone row, or a bare column of a one-column input, with the axis that it lacks."""
    if spec.shape is None or array.ndim != len(spec.shape) - 1:
        return array
    if array.ndim == 1 and spec.shape[1] == 1:
        return array.reshape(-1, 1)
    return array.reshape(1, *array.shape)


def columns_of(spec: Spec) -> int | None:
    """How many values a row of this input has; None where the model leaves it open."""
    if spec.shape is None:
        return None
    count = 1
    for size in spec.shape[1:]:
        if not isinstance(size, int):
            return None
        count *= size
    return count


def row_shape(spec: Spec, rows: int, columns: int) -> tuple[int, ...]:
    """The shape of `rows` rows of `columns` values each for this input."""
    if spec.shape is None:
        return (rows, columns)
    if len(spec.shape) < 2:
        return (rows,) if columns == 1 else (rows, columns)
    sizes = [size for size in spec.shape[1:] if isinstance(size, int)]
    return (rows, *sizes) if len(sizes) == len(spec.shape) - 1 else (rows, columns)


def _number_from_text(field: str, where: str) -> float:
    if _NUMBER.fullmatch(field):
        return finite(field, where)
    sign = -1.0 if field.startswith("-") else 1.0
    known: Callable[[str], float | None] = _NOT_FINITE.get
    number = known(field.lower().lstrip("+-"))
    if number is None or field[1:2] in ("+", "-"):
        raise BadCell(f"{where}: {field[:40]!r} is not a number")
    return sign * number


def _fitting(value: float, dtype: str, where: str) -> float:
    """The number, if the type can hold it; a finite one must not become infinite."""
    if dtype in _LARGEST:
        if isinstance(value, float) and not math.isfinite(value):
            return value
        # Halfway to the next power of two rounds to infinity; anything below stays finite.
        if abs(value) > _LARGEST[dtype] and not np.isfinite(_rounded(value, dtype)):
            raise BadCell(f"{where}: {_shown(value)} is more than {dtype} can hold")
        return value
    information = np.iinfo(DTYPES[dtype])
    if not int(information.min) <= value <= int(information.max):
        raise BadCell(f"{where}: {_shown(value)} is more than {dtype} can hold")
    return value


def _rounded(value: float, dtype: str) -> float:
    try:
        with np.errstate(over="ignore"):
            return float(DTYPES[dtype].type(float(value)))
    except OverflowError:
        return math.inf


def _to_float(array: Array, dtype: str, where: str) -> Array:
    with np.errstate(over="ignore"):
        converted = array.astype(DTYPES[dtype])
    if bool(np.any(np.isinf(converted) & np.isfinite(array))):
        raise BadCell(f"{where} holds a number that {dtype} cannot hold")
    return converted


def _missing(dtype: str, where: str) -> float:
    if dtype not in _LARGEST:
        raise BadCell(f"{where}: a value is missing, and {dtype} has none that stands for it")
    return math.nan


def _shown(value: object) -> str:
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**40 else "that integer"
    return text if len(text) <= 40 else text[:40] + "…"

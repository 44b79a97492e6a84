"""LabelEncoder, CategoryMapper, OneHotEncoder, ZipMap, and the operators on maps (refused).

Semantics: ML-16 to ML-21 of spec/tensor-ml.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from synnergy.tensor.operators import ml_attributes as read
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import (
    DTYPES,
    Array,
    BadInput,
    MapsType,
    Node,
    Refuse,
    TensorType,
    Value,
    ValueType,
    Work,
)

_ENCODED = ("string", "int64", "float32", "int32", "int16", "float64")
_DEFAULTS: dict[str, Any] = {
    "string": "_Unused",
    "int64": -1,
    "int32": -1,
    "int16": -1,
    "float32": -0.0,
    "float64": -0.0,
}


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Exact look-up from elements of one type to elements of another.

    Python's equality is ONNX's here: +0 equals -0. NaN keys are kept apart, as NaN equals nothing.
    """

    key_dtype: str
    value_dtype: str
    values: dict[Any, Any]
    default: Any
    nan: Any = None

    def look_up(self, x: Array) -> Array:
        found = [self.values.get(key, self.default) for key in x.reshape(-1).tolist()]
        if self.nan is not None:
            for index in np.flatnonzero(np.isnan(x.reshape(-1))).tolist():
                found[index] = self.nan
        result: Array = np.empty(len(found), dtype=DTYPES[self.value_dtype])
        result[:] = found
        return result.reshape(x.shape)


def _dtype_name(array: Array) -> str:
    return "string" if array.dtype == object else array.dtype.name


# LabelEncoder. ML-16, ML-17


def _one_of(node: Node, prefix: str, opset: int) -> Array:
    """The one of keys_* or values_* that is given."""
    candidates = [
        read.integers(node, f"{prefix}_int64s"),
        read.floats(node, f"{prefix}_floats"),
        read.string_array(read.strings(node, f"{prefix}_strings")),
    ]
    if opset >= 4 and (array := read.tensor(node, f"{prefix}_tensor")) is not None:
        candidates.append(array)
    given = [array for array in candidates if len(array)]
    if len(given) != 1:
        raise Refuse(f"exactly one of the attributes {prefix}_* must be given")
    if _dtype_name(given[0]) not in _ENCODED:
        raise Refuse(f"{prefix}_tensor has elements of type {given[0].dtype.name}")
    return given[0]


def _default(node: Node, dtype: str) -> Any:
    array = read.tensor(node, "default_tensor") if node.opset >= 4 else None
    if array is not None:
        if len(array) != 1 or _dtype_name(array) != dtype:
            raise Refuse(f"default_tensor is not a single element of type {dtype}")
        return array.tolist()[0]
    match dtype:
        case "string":
            return read.text(node, "default_string", _DEFAULTS["string"])
        case "int64":
            return read.integer(node, "default_int64", _DEFAULTS["int64"])
        case "float32":
            return read.number(node, "default_float", _DEFAULTS["float32"])
        case _:
            return _DEFAULTS[dtype]


@lru_cache(maxsize=64)
def encoder(node: Node, key_dtype: str) -> Table:
    """LabelEncoder's table for inputs of this type. Raises Refuse."""
    if node.opset < 2:
        names = read.strings(node, "classes_strings")
        if key_dtype == "string":
            numbers = {name: index for index, name in enumerate(names)}
            return Table("string", "int64", numbers, read.integer(node, "default_int64", -1))
        default = read.text(node, "default_string", "_Unused")
        return Table("int64", "string", dict(enumerate(names)), default)
    keys, values = _one_of(node, "keys", node.opset), _one_of(node, "values", node.opset)
    if len(keys) != len(values):
        raise Refuse(f"{len(keys)} keys for {len(values)} values")
    nan = None
    if keys.dtype.kind == "f" and node.opset >= 4 and (unknown := np.isnan(keys)).any():
        nan = values[np.flatnonzero(unknown)[0]]
    table: dict[Any, Any] = {}
    for key, value in zip(keys.tolist(), values.tolist(), strict=True):
        table.setdefault(key, value)
    dtype = _dtype_name(values)
    return Table(_dtype_name(keys), dtype, table, _default(node, dtype), nan)


def _infer_encoder(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    (x,) = read.required(inputs, 1)
    given = read.typed(x, ("string", "int64") if node.opset < 2 else _ENCODED)
    table = encoder(node, given.dtype)
    if table.key_dtype != given.dtype:
        raise Refuse(f"keys of type {table.key_dtype} for an input of type {given.dtype}")
    return [TensorType(table.value_dtype, given.shape)]


def _run_encoder(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    x = read.given(inputs)
    return [encoder(node, _dtype_name(x)).look_up(x)]


register("LabelEncoder", _infer_encoder, _run_encoder, domain=read.DOMAIN)


# CategoryMapper. ML-18


@lru_cache(maxsize=64)
def mapper(node: Node, key_dtype: str) -> Table:
    """CategoryMapper's table for inputs of this type. Raises Refuse."""
    names, numbers = read.strings(node, "cats_strings"), read.integers(node, "cats_int64s")
    if len(names) != len(numbers):
        raise Refuse(f"{len(names)} cats_strings for {len(numbers)} cats_int64s")
    if key_dtype == "string":
        table = dict(zip(names, numbers.tolist(), strict=True))
        return Table("string", "int64", table, read.integer(node, "default_int64", -1))
    words = dict(zip(numbers.tolist(), names, strict=True))
    return Table("int64", "string", words, read.text(node, "default_string", "_Unused"))


def _infer_mapper(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    (x,) = read.required(inputs, 1)
    given = read.typed(x, ("string", "int64"))
    return [TensorType(mapper(node, given.dtype).value_dtype, given.shape)]


def _run_mapper(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    x = read.given(inputs)
    return [mapper(node, _dtype_name(x)).look_up(x)]


register("CategoryMapper", _infer_mapper, _run_mapper, domain=read.DOMAIN)


# OneHotEncoder. ML-19


@lru_cache(maxsize=64)
def categories_of(node: Node) -> tuple[bool, dict[Any, int], int]:
    """(whether they are strings, column of each category, columns)."""
    categories = read.labels(node, "cats_int64s", "cats_strings")
    columns = {category: index for index, category in enumerate(categories.values.tolist())}
    return categories.dtype == "string", columns, categories.count


def _infer_one_hot(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    (x,) = read.required(inputs, 1)
    given = read.typed(x, (*read.NUMBERS, "string"))
    textual, _, count = categories_of(node)
    read.integer(node, "zeros", 1)
    if textual != (given.dtype == "string"):
        raise Refuse(f"the categories do not fit an input of type {given.dtype}")
    return [TensorType("float32", (*given.shape, count))]


def _run_one_hot(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    x = read.given(inputs)
    textual, columns, count = categories_of(node)
    flat = x.reshape(-1)
    # NaN and numbers beyond 64 bits belong to no category; others lose their fraction.
    known = np.ones(len(flat), bool)
    if not textual and flat.dtype.kind == "f":
        known = np.abs(flat) < 2.0**63
        flat = np.where(known, flat, 0).astype(np.int64)
    found = np.array([columns.get(item, -1) for item in flat.tolist()], np.int64)
    found = np.where(known, found, -1)
    if read.integer(node, "zeros", 1) == 0 and (found < 0).any():
        raise BadInput("an element belongs to none of the categories")
    rows = np.flatnonzero(found >= 0)
    result = np.zeros((len(flat), count), np.float32)
    result[rows, found[rows]] = 1
    return [result.reshape(*x.shape, count)]


register("OneHotEncoder", _infer_one_hot, _run_one_hot, domain=read.DOMAIN)


# ZipMap. ML-20


def _infer_zip(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    (x,) = read.required(inputs, 1)
    rows, columns = read.matrix_shape(x, ("float32",))
    classes = read.labels(node, "classlabels_int64s", "classlabels_strings")
    if classes.count != columns:
        raise Refuse(f"{classes.count} labels for {columns} columns")
    names = classes.values.tolist()
    if len(set(names)) != len(names):
        raise Refuse("a label is listed twice")
    return [MapsType("float32", rows, tuple(names))]


def _run_zip(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    return [read.matrix(read.given(inputs))]


register("ZipMap", _infer_zip, _run_zip, domain=read.DOMAIN)


# DictVectorizer and CastMap take maps, which no tensor input can hold. ML-21


def _refuse_maps(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    raise Refuse("takes a map as its input; inputs of a model are tensors")


def _no_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """Nothing but its step."""
    return Work()


def _no_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    raise BadInput("takes a map as its input; inputs of a model are tensors")


register("DictVectorizer", _refuse_maps, _no_run, _no_work, domain=read.DOMAIN)
register("CastMap", _refuse_maps, _no_run, _no_work, domain=read.DOMAIN)

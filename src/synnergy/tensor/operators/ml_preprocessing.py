"""Scaler, Normalizer, Imputer, Binarizer, FeatureVectorizer, ArrayFeatureExtractor.

Semantics: ML-10 to ML-15 of spec/tensor-ml.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synnergy.tensor import numerics
from synnergy.tensor.environment import quiet
from synnergy.tensor.operators import ml_attributes as read
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import (
    Array,
    BadInput,
    Node,
    Refuse,
    TensorType,
    Value,
    ValueType,
    Work,
)

_ZERO = np.float32(0)


def _same_shape(value: Value, allowed: Sequence[str], dtype: str | None = None) -> TensorType:
    given = read.typed(value, allowed)
    return TensorType(dtype or given.dtype, given.shape)


def _features(shape: tuple[int, ...]) -> int:
    if not shape:
        raise Refuse("input has rank 0")
    return shape[-1]


def _per_feature(values: Array, name: str, shape: tuple[int, ...]) -> None:
    """`values` must have one element, or one for each feature of a matrix."""
    features = _features(shape)
    if len(values) == 1:
        return
    if len(shape) > 2 or len(values) != features:
        raise Refuse(f"attribute {name} has {len(values)} values for {features} features")


# Scaler. ML-10


def scale_and_offset(node: Node) -> tuple[Array, Array]:
    """Scaler's attributes. Raises Refuse."""
    scale, offset = read.floats(node, "scale"), read.floats(node, "offset")
    if len(scale) == 0 or len(scale) != len(offset):
        raise Refuse(f"{len(scale)} values of scale for {len(offset)} of offset")
    return scale, offset


def _infer_scaler(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    (x,) = read.required(inputs, 1)
    scale, _ = scale_and_offset(node)
    _per_feature(scale, "scale", x.shape)
    return [_same_shape(x, read.NUMBERS, "float32")]


@quiet
def _run_scaler(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    x = read.given(inputs)
    scale, offset = scale_and_offset(node)
    wide = x if x.dtype == np.float64 else x.astype(np.float32)
    scaled = (wide - offset.astype(wide.dtype)) * scale.astype(wide.dtype)
    return [scaled.astype(np.float32)]


register("Scaler", _infer_scaler, _run_scaler, domain=read.DOMAIN)


# Normalizer. ML-11


def norm_of(node: Node) -> str:
    """Normalizer's attribute: MAX, L1 or L2. Raises Refuse."""
    return read.choice(node, "norm", "MAX", ("MAX", "L1", "L2"))


def _infer_normalizer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    (x,) = read.required(inputs, 1)
    norm_of(node)
    read.matrix_shape(x)
    return [_same_shape(x, read.NUMBERS, "float32")]


def _work_normalizer(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """Four passes over the output, a root for each element of the norm L2."""
    elements = outputs[0].elements
    return Work(elements=4 * elements, functions=elements if norm_of(node) == "L2" else 0)


@quiet
def _run_normalizer(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    given = read.given(inputs)
    x = read.matrix(given)
    narrow = x.astype(np.float32)
    if x.size == 0:
        return [narrow.reshape(given.shape)]
    match norm_of(node):
        case "MAX":
            known = np.where(np.isnan(narrow), np.finfo(np.float32).min, narrow)
            largest = known.max(axis=1, keepdims=True)
            result = np.where(largest != 0, narrow / largest, narrow)
        case "L1":
            magnitudes = np.abs(x if x.dtype.kind == "f" else x.astype(np.float64))
            total = numerics.ordered_sum(magnitudes.astype(np.float32), 1, keepdims=True)
            result = np.where(total != 0, narrow / total, narrow)
        case _:
            wide = x if x.dtype.kind == "f" else x.astype(np.float64)
            squares = (wide * wide).astype(np.float32)
            total = numerics.ordered_sum(squares, 1, keepdims=True)
            root = numerics.sqrt(squares / total)
            result = np.where(total != 0, np.where(wide < 0, -root, root), narrow)
    return [result.reshape(given.shape)]


register("Normalizer", _infer_normalizer, _run_normalizer, _work_normalizer, domain=read.DOMAIN)


# Imputer. ML-12


def imputation(node: Node, dtype: str) -> tuple[np.generic, Array, str]:
    """The value to replace, what replaces it, and the attribute that says so."""
    numbers = read.floats(node, "imputed_value_floats")
    whole = read.integers(node, "imputed_value_int64s")
    if (len(numbers) > 0) == (len(whole) > 0):
        raise Refuse("exactly one of imputed_value_floats and imputed_value_int64s must be given")
    if (len(numbers) > 0) != (dtype in ("float32", "float64")):
        raise Refuse(f"imputed values do not fit elements of type {dtype}")
    if len(numbers) > 0:
        wide = np.dtype(dtype)
        replaced = read.number(node, "replaced_value_float", 0.0)
        return replaced.astype(wide), numbers.astype(wide), "imputed_value_floats"
    limits = np.iinfo(dtype)
    replaced = read.integer(node, "replaced_value_int64", 0)
    if not all(limits.min <= value <= limits.max for value in (replaced, *whole.tolist())):
        raise Refuse(f"imputed values do not fit elements of type {dtype}")
    return np.int64(replaced), whole.astype(dtype), "imputed_value_int64s"


def _infer_imputer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    (x,) = read.required(inputs, 1)
    result = _same_shape(x, read.NUMBERS)
    _, imputed, name = imputation(node, result.dtype)
    _per_feature(imputed, name, result.shape)
    return [result]


def _run_imputer(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    x = read.given(inputs)
    replaced, imputed, _ = imputation(node, x.dtype.name)
    missing = np.isnan(x) if np.isnan(replaced) else x == replaced
    return [np.where(missing, imputed, x)]


register("Imputer", _infer_imputer, _run_imputer, domain=read.DOMAIN)


# Binarizer. ML-13


def _infer_binarizer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    (x,) = read.required(inputs, 1)
    read.number(node, "threshold", 0.0)
    return [_same_shape(x, read.NUMBERS)]


@quiet
def _run_binarizer(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    x = read.given(inputs)
    threshold = read.number(node, "threshold", 0.0)
    wide = x if x.dtype == np.float32 else x.astype(np.float64)
    return [(wide > threshold.astype(wide.dtype)).astype(x.dtype)]


register("Binarizer", _infer_binarizer, _run_binarizer, domain=read.DOMAIN)


# FeatureVectorizer. ML-14


def widths_of(node: Node, count: int) -> list[int]:
    """FeatureVectorizer's columns of each input. Raises Refuse."""
    widths = read.integers(node, "inputdimensions").tolist()
    if len(widths) != count or count == 0:
        raise Refuse(f"{len(widths)} inputdimensions for {count} inputs")
    if any(not 0 <= width < 2**31 for width in widths):
        raise Refuse("an inputdimension is negative or too large")
    return widths


def flat_width(shape: tuple[int, ...]) -> tuple[int, int]:
    """(rows, elements of a row)."""
    if not shape:
        raise Refuse("an input has rank 0")
    if len(shape) == 1:
        return 1, shape[0]
    return shape[0], TensorType("float32", shape[1:]).elements


def _infer_vectorizer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    values = read.required(inputs, len(inputs))
    widths = widths_of(node, len(values))
    rows = {flat_width(read.typed(value, read.NUMBERS).shape)[0] for value in values}
    if len(rows) != 1:
        raise Refuse(f"inputs have different numbers of rows: {sorted(rows)}")
    return [TensorType("float32", (rows.pop(), sum(widths)))]


def _run_vectorizer(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    widths = widths_of(node, len(inputs))
    columns: list[Array] = []
    for index, width in enumerate(widths):
        x = read.given(inputs, index)
        rows, elements = flat_width(x.shape)
        taken = min(width, elements)
        column = np.zeros((rows, width), np.float32)
        column[:, :taken] = read.narrowed(x.reshape(rows, elements)[:, :taken])
        columns.append(column)
    return [np.concatenate(columns, axis=1)]


register("FeatureVectorizer", _infer_vectorizer, _run_vectorizer, domain=read.DOMAIN)


# ArrayFeatureExtractor. ML-15


def check_indices(indices: Array, features: int) -> str | None:
    """Why the indices cannot be used, None where they can."""
    if indices.size and (indices.min() < 0 or indices.max() >= features):
        return f"an index is outside the {features} features"
    return None


def _infer_extractor(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    x, y = read.required(inputs, 2)
    given = read.typed(x, (*read.NUMBERS, "string"))
    indices = read.typed(y, ("int64",))
    features = _features(given.shape)
    if indices.elements == 0:
        raise Refuse("no indices to select")
    if y.const is not None and (problem := check_indices(y.const, features)):
        raise Refuse(problem)
    leading = (1,) if len(given.shape) == 1 else given.shape[:-1]
    return [TensorType(given.dtype, (*leading, indices.elements))]


def _run_extractor(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    x, indices = read.given(inputs, 0), read.given(inputs, 1).reshape(-1)
    if problem := check_indices(indices, x.shape[-1]):
        raise BadInput(problem)
    selected = np.take(x, indices, axis=-1)
    return [selected.reshape(1, -1) if x.ndim == 1 else selected]


register("ArrayFeatureExtractor", _infer_extractor, _run_extractor, domain=read.DOMAIN)

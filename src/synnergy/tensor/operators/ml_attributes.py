"""Reading and checking the attributes that operators of ai.onnx.ml share (ML-1, ML-2).

Every reader raises Refuse where an attribute has another kind than the operator's schema says, so
that hostile attributes end as a reason and never as a crash.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from synnergy.tensor.types import Array, Node, Refuse, TensorType, Value

#: The domain in which this family of operators is declared.
DOMAIN = "ai.onnx.ml"

NUMBERS = ("float32", "float64", "int64", "int32")


def _items(node: Node, name: str) -> list[Any]:
    value = node.attribute(name)
    if value is None:
        return []
    if not isinstance(value, (list, tuple)):
        raise Refuse(f"attribute {name} is not a list")
    return list(cast(Sequence[Any], value))


def integers(node: Node, name: str) -> Array:
    """An INTS attribute as int64, empty where it is left out."""
    items = _items(node, name)
    if any(type(item) is not int for item in items):
        raise Refuse(f"attribute {name} is not a list of integers")
    try:
        return np.array(items, dtype=np.int64)
    except OverflowError:
        raise Refuse(f"attribute {name} has an integer beyond 64 bits") from None


def floats(node: Node, name: str) -> Array:
    """A FLOATS attribute as float32, empty where it is left out."""
    items = _items(node, name)
    if any(type(item) is not float for item in items):
        raise Refuse(f"attribute {name} is not a list of floats")
    with np.errstate(all="ignore"):
        return np.array(items, dtype=np.float32)


def strings(node: Node, name: str) -> tuple[str, ...]:
    """A STRINGS attribute, empty where it is left out; every item must be UTF-8."""
    items = _items(node, name)
    if any(type(item) is not str for item in items):
        raise Refuse(f"attribute {name} is not a list of UTF-8 strings")
    return tuple(items)


def tensor(node: Node, name: str) -> Array | None:
    """A TENSOR attribute flattened to one dimension, None where it is left out."""
    value = node.attribute(name)
    if value is None:
        return None
    if not isinstance(value, np.ndarray):
        raise Refuse(f"attribute {name} is not a tensor")
    flat = cast(Array, value).reshape(-1)
    if flat.dtype.kind in "OSU":
        if any(type(item) is not str for item in flat.tolist()):
            raise Refuse(f"attribute {name} is not a tensor of UTF-8 strings")
        return flat.astype(object)
    return flat


def integer(node: Node, name: str, default: int) -> int:
    """An INT attribute."""
    value = node.attribute(name, default)
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise Refuse(f"attribute {name} is not an integer")
    return value


def number(node: Node, name: str, default: float) -> np.float32:
    """A FLOAT attribute as float32."""
    value = node.attribute(name, default)
    if type(value) is not float:
        raise Refuse(f"attribute {name} is not a float")
    with np.errstate(all="ignore"):
        return np.float32(value)


def text(node: Node, name: str, default: str) -> str:
    """A STRING attribute, which must be UTF-8."""
    value = node.attribute(name, default)
    if type(value) is not str:
        raise Refuse(f"attribute {name} is not a UTF-8 string")
    return value


def choice(node: Node, name: str, default: str, allowed: Sequence[str]) -> str:
    """A STRING attribute that names one of `allowed`."""
    value = text(node, name, default)
    if value not in allowed:
        raise Refuse(f"attribute {name} is {value!r}, not one of {', '.join(allowed)}")
    return value


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Class labels: int64 or string (object) array, one for each class."""

    values: Array

    @property
    def dtype(self) -> str:
        return "string" if self.values.dtype == object else "int64"

    @property
    def count(self) -> int:
        return len(self.values)

    def pick(self, classes: Array) -> Array:
        """Labels of class indexes."""
        return self.values[classes]


def string_array(items: Sequence[str]) -> Array:
    """One-dimensional string tensor."""
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def labels(node: Node, ints: str, texts: str) -> Labels:
    """The one of two attributes that lists the labels; both or neither is refused. ML-3"""
    numbers, names = integers(node, ints), strings(node, texts)
    if (len(numbers) > 0) == (len(names) > 0):
        raise Refuse(f"exactly one of {ints} and {texts} must list the classes")
    return Labels(string_array(names) if names else numbers)


def required(inputs: Sequence[Value | None], count: int) -> list[Value]:
    """The first `count` inputs, each of which must be given."""
    given = [value for value in inputs[:count] if value is not None]
    if len(given) < count:
        raise Refuse(f"needs {count} inputs, has {len(given)}")
    return given


def typed(value: Value, allowed: Sequence[str]) -> TensorType:
    """The input's type, whose element type must be one of `allowed`."""
    if value.dtype not in allowed:
        raise Refuse(f"element type {value.dtype} is not one of {', '.join(allowed)}")
    return value.tensor


def matrix_shape(value: Value, allowed: Sequence[str] = NUMBERS) -> tuple[int, int]:
    """(rows, features) of an input of rank 2; one of rank 1 is a single row. ML-2"""
    shape = typed(value, allowed).shape
    if len(shape) == 1:
        return 1, shape[0]
    if len(shape) != 2:
        raise Refuse(f"input has rank {len(shape)}, not 1 or 2")
    return shape[0], shape[1]


def matrix(x: Array) -> Array:
    """The input as rows × features. ML-2"""
    return x.reshape(1, -1) if x.ndim == 1 else x


def narrowed(x: Array) -> Array:
    """Any number to float32, rounding to nearest even; too large becomes infinite. ML-2"""
    with np.errstate(all="ignore"):
        return x.astype(np.float32)


def given(inputs: Sequence[Array | None], index: int = 0) -> Array:
    """An input that `infer` has seen to be there."""
    value = inputs[index]
    if value is None:
        raise Refuse(f"input {index} is missing")
    return value

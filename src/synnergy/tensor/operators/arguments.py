"""Reading a node's attributes and inputs, with a refusal in words where they don't fit.

SHAPE-1: attributes come from strangers. Every one is checked for its type and its range here,
shapes are computed in unbounded ints; a tensor above `ELEMENT_LIMIT` or `RANK_LIMIT` is refused.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any, cast

import numpy as np

from synnergy.tensor.types import (
    DTYPE_OF_CODE,
    DTYPES,
    Array,
    BadInput,
    DependsOnValues,
    Graph,
    Node,
    Refuse,
    TensorType,
    Value,
    ValueType,
    Work,
)

#: Largest number of elements of any one tensor, intermediate ones included.
ELEMENT_LIMIT = 1 << 28
#: Largest rank: twice this, the rank of some rearrangements, is what numpy allows.
RANK_LIMIT = 32

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FLOATS = ("float16", "float32", "float64")
NUMBERS = (*INTEGERS, *FLOATS)
INDICES = ("int32", "int64")

_NAMES = {dtype: name for name, dtype in DTYPES.items()}


def dtype_name(array: Array) -> str:
    """The element type's name; raises Refuse where it's none of `DTYPES`."""
    name = _NAMES.get(array.dtype)
    if name is None:
        raise Refuse(f"element type {array.dtype} isn't supported")
    return name


def onnx_dtype(code: int) -> str:
    """The name of a TensorProto.DataType code."""
    name = DTYPE_OF_CODE.get(code)
    if name is None:
        raise Refuse(f"element type number {code} isn't supported")
    return name


def arity(
    node: Node, inputs: Sequence[Value | None], least: int, most: int | None, outputs: int = 1
) -> None:
    """Refuse a wrong number of inputs or outputs; `most` None is variadic.

    The first `least` inputs must be present; at least one output and at most `outputs` are named.
    """
    if len(inputs) < least or (most is not None and len(inputs) > most):
        wanted = f"{least}" if least == most else f"{least} to {'any' if most is None else most}"
        raise Refuse(f"{len(inputs)} inputs where {wanted} belong")
    for position in range(least if most is not None else len(inputs)):
        required(inputs, position)
    if not 1 <= len(node.outputs) <= outputs:
        raise Refuse(f"{len(node.outputs)} outputs where 1 to {outputs} belong")


def required(inputs: Sequence[Value | None], position: int) -> Value:
    value = inputs[position] if position < len(inputs) else None
    if value is None:
        raise Refuse(f"input {position} is missing")
    return value


def optional(inputs: Sequence[Value | None], position: int) -> Value | None:
    return inputs[position] if position < len(inputs) else None


def present(inputs: Sequence[Array | None], position: int) -> Array:
    """An input array that `infer` has already required."""
    array = inputs[position]
    if array is None:
        raise BadInput(f"input {position} is missing")
    return array


def given(inputs: Sequence[Array | None], position: int) -> Array | None:
    """An input array, None where it is left out."""
    return inputs[position] if position < len(inputs) else None


def one_of(value: Value, allowed: Collection[str], label: str) -> str:
    """The value's element type, which must be one of `allowed`."""
    if value.dtype not in allowed:
        raise Refuse(f"{label} of element type {value.dtype} isn't supported")
    return value.dtype


def same_dtype(values: Sequence[Value]) -> str:
    names = {value.dtype for value in values}
    if len(names) != 1:
        raise Refuse(f"inputs of different element types: {', '.join(sorted(names))}")
    return values[0].dtype


def integer(
    node: Node,
    name: str,
    default: int | None = None,
    low: int = -(1 << 63),
    high: int = (1 << 63) - 1,
) -> int:
    """An int attribute within low..high; without a default it is required."""
    value = node.attribute(name, default)
    if value is None:
        raise Refuse(f"attribute {name} is missing")
    if not isinstance(value, int) or not low <= value <= high:
        raise Refuse(f"attribute {name} is {_shown(value)}, not an integer in {low}..{high}")
    return int(value)


def flag(node: Node, name: str, default: bool = False) -> bool:
    """An int attribute used as a truth value."""
    return integer(node, name, int(default)) != 0


def number(node: Node, name: str, default: float) -> float:
    """A float attribute."""
    value = node.attribute(name, default)
    if not isinstance(value, (int, float)):
        raise Refuse(f"attribute {name} is {_shown(value)}, not a number")
    return float(value)


def text(node: Node, name: str, default: str, choices: Collection[str]) -> str:
    """A string attribute that must be one of `choices`."""
    value = node.attribute(name, default)
    if not isinstance(value, str) or value not in choices:
        raise Refuse(f"attribute {name} is {_shown(value)}, not one of {', '.join(choices)}")
    return value


def integers(node: Node, name: str) -> tuple[int, ...] | None:
    """An attribute that is a list of ints, None where it's left out."""
    return _listed(node, name, int)


def numbers(node: Node, name: str) -> tuple[float, ...] | None:
    """An attribute that is a list of floats, None where it's left out."""
    return _listed(node, name, float)


def texts(node: Node, name: str) -> tuple[str, ...] | None:
    """An attribute that is a list of strings, None where it's left out."""
    return _listed(node, name, str)


def _listed(node: Node, name: str, kind: type[Any]) -> tuple[Any, ...] | None:
    value = node.attribute(name)
    if value is None:
        return None
    kinds = (int, float) if kind is float else kind
    items: list[Any] = cast("list[Any]", value) if isinstance(value, list) else [None]
    if not all(isinstance(item, kinds) for item in items):
        raise Refuse(f"attribute {name} is {_shown(value)}, not a list of {kind.__name__}s")
    return tuple(kind(item) for item in items)


def subgraph(node: Node, name: str) -> Graph:
    value = node.attribute(name)
    if not isinstance(value, Graph):
        raise Refuse(f"attribute {name} isn't a graph")
    return value


def _shown(value: Any) -> str:
    whole = repr(value)
    return whole if len(whole) <= 40 else whole[:37] + "..."


def known(value: Value, label: str) -> Array:
    """The contents of an input on which a shape depends. SHAPE-2"""
    if value.const is None:
        raise DependsOnValues(
            f"shape depends on the values of input {label}, which aren't known before running"
        )
    return value.const


def known_integers(value: Value, label: str) -> tuple[int, ...]:
    """The contents of a vector (or scalar) of ints on which a shape depends. SHAPE-2"""
    one_of(value, INDICES, label)
    array = known(value, label)
    if array.ndim > 1:
        raise Refuse(f"input {label} must be a vector, not of rank {array.ndim}")
    if array.size > ELEMENT_LIMIT >> 8:
        raise Refuse(f"input {label} has {array.size} elements")
    return tuple(int(item) for item in array.reshape(-1))


def known_integer(value: Value, label: str) -> int:
    items = known_integers(value, label)
    if len(items) != 1:
        raise Refuse(f"input {label} must hold one element, not {len(items)}")
    return items[0]


def axis_of(axis: int, rank: int, label: str = "axis") -> int:
    """`axis` counted from the front; negative ones count from the back. SHAPE-5"""
    if not -rank <= axis < rank:
        raise Refuse(f"{label} {axis} is outside a tensor of rank {rank}")
    return axis % rank


def axes_of(axes: Sequence[int], rank: int) -> tuple[int, ...]:
    """Axes counted from the front, in the order given, each at most once."""
    if len(axes) > rank:
        raise Refuse(f"{len(axes)} axes of a tensor of rank {rank}")
    counted = tuple(axis_of(axis, rank) for axis in axes)
    if len(set(counted)) != len(counted):
        raise Refuse(f"axes {list(axes)} name one axis twice")
    return counted


def tensor(dtype: str, shape: Sequence[int]) -> TensorType:
    """A tensor type within the limits. SHAPE-1"""
    if len(shape) > RANK_LIMIT:
        raise Refuse(f"a tensor of rank {len(shape)} is above the limit of {RANK_LIMIT}")
    if any(dimension < 0 for dimension in shape):
        raise Refuse(f"shape {_shown(tuple(shape))} has a negative dimension")
    # An empty tensor has no elements, but its other dimensions must fit the limit all the same.
    if math.prod(max(dimension, 1) for dimension in shape) > ELEMENT_LIMIT:
        raise Refuse(f"shape {_shown(tuple(shape))} is above the limit of 2^28 elements")
    return TensorType(dtype, tuple(shape))


def broadcast(shapes: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """The shape to which all `shapes` broadcast, dimensions aligned at the right."""
    rank = max((len(shape) for shape in shapes), default=0)
    result = [1] * rank
    for shape in shapes:
        for position, dimension in enumerate(shape, rank - len(shape)):
            if dimension != 1 and result[position] not in (1, dimension):
                raise Refuse(f"shapes {', '.join(_shown(tuple(s)) for s in shapes)} don't fit")
            if dimension != 1:
                result[position] = dimension
    return tuple(result)


def checked_indices(indices: Array, size: int, label: str = "index") -> Array:
    """int64 indices counted from the front; raises BadInput where one is outside. SHAPE-31"""
    wide = indices.astype(np.int64)
    outside = (wide < -size) | (wide >= size)
    if outside.any():
        raise BadInput(f"{label} {int(wide[outside][0])} is outside an axis of {size} elements")
    return np.where(wide < 0, wide + size, wide)


def relabel_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: object
) -> Work:
    """A new shape over the same elements moves none. SHAPE-3"""
    return Work()


def move_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: object
) -> Work:
    """One element operation for each output element. SHAPE-3"""
    return Work(elements=sum(output.elements for output in outputs))


def inside(part: Sequence[int], whole: Sequence[int], axis: int) -> None:
    """Refuse indices that reach beyond the data in another axis than their own. SHAPE-32"""
    if len(part) != len(whole) or any(
        ours > theirs
        for position, (ours, theirs) in enumerate(zip(part, whole, strict=True))
        if position != axis
    ):
        raise Refuse(f"indices of shape {tuple(part)} don't fit a tensor of shape {tuple(whole)}")

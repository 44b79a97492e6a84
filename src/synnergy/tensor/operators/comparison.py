"""Comparisons, truth values, choice by a mask, and conversions between element types."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from synnergy.tensor import numerics
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.elementwise import (
    infer_broadcast,
    infer_unary,
    run_binary,
    run_unary,
)
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import DTYPES, Array, Node, Refuse, Value, ValueType

_BOOL = ("bool",)


def _equal(a: Array, b: Array) -> Array:
    return np.equal(a, b).astype(np.bool_)


def _where_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 3, 3)
    condition, first, second = (arguments.required(inputs, position) for position in range(3))
    arguments.one_of(condition, _BOOL, "a condition")
    dtype = arguments.same_dtype([first, second])
    shape = arguments.broadcast([condition.shape, first.shape, second.shape])
    return [arguments.tensor(dtype, shape)]


def _where_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    condition, first, second = (arguments.present(inputs, position) for position in range(3))
    return [np.where(condition, first, second)]


def _is_infinite_infer(
    node: Node, inputs: Sequence[Value | None], scope: Scope
) -> list[ValueType]:
    arguments.flag(node, "detect_positive", True)
    arguments.flag(node, "detect_negative", True)
    return infer_unary(arguments.FLOATS, "bool")(node, inputs, scope)


def _is_infinite_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    x = arguments.present(inputs, 0)
    positive = (x == np.inf) & arguments.flag(node, "detect_positive", True)
    negative = (x == -np.inf) & arguments.flag(node, "detect_negative", True)
    return [np.asarray(positive | negative)]


def _cast_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 1, 1)
    value = arguments.required(inputs, 0)
    target = arguments.onnx_dtype(arguments.integer(node, "to"))
    return [_cast_type(value, target)]


def _cast_type(value: Value, target: str) -> ValueType:
    if value.dtype not in DTYPES:
        raise Refuse(f"element type {value.dtype} isn't supported")
    return arguments.tensor(target, value.shape)


def _cast_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    """TENSOR-15. Text that isn't a number raises BadInput."""
    target = arguments.onnx_dtype(arguments.integer(node, "to"))
    return [np.asarray(numerics.cast(arguments.present(inputs, 0), target))]


def _cast_like_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 2, 2)
    value, like = arguments.required(inputs, 0), arguments.required(inputs, 1)
    return [_cast_type(value, like.dtype)]


def _cast_like_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    target = arguments.dtype_name(arguments.present(inputs, 1))
    return [np.asarray(numerics.cast(arguments.present(inputs, 0), target))]


_ORDER: dict[str, tuple[Callable[[Array, Array], Array], int]] = {
    "Less": (np.less, 9),
    "LessOrEqual": (np.less_equal, 12),
    "Greater": (np.greater, 9),
    "GreaterOrEqual": (np.greater_equal, 12),
}
_LOGIC: dict[str, Callable[[Array, Array], Array]] = {
    "And": np.logical_and,
    "Or": np.logical_or,
    "Xor": np.logical_xor,
}

for _name, (_compare, _since) in _ORDER.items():
    register(_name, infer_broadcast(arguments.NUMBERS, "bool"), run_binary(_compare), since=_since)
for _name, _combine in _LOGIC.items():
    register(_name, infer_broadcast(_BOOL), run_binary(_combine), since=7)
register("Equal", infer_broadcast(tuple(DTYPES), "bool"), run_binary(_equal), since=7)
register("Not", infer_unary(_BOOL), run_unary(np.logical_not))
register("Where", _where_infer, _where_run, since=9)
register("IsNaN", infer_unary(arguments.FLOATS, "bool"), run_unary(np.isnan), since=9)
register("IsInf", _is_infinite_infer, _is_infinite_run, since=10)
register("Cast", _cast_infer, _cast_run, since=6)
register("CastLike", _cast_like_infer, _cast_like_run, since=15)

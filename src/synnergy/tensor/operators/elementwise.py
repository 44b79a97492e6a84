"""Arithmetic and functions element by element.

TENSOR-20: float arithmetic rounds each operation to the element type; integers wrap around;
integer division truncates, and by zero gives 0, as does an integer remainder. TENSOR-21: the
larger or smaller of two is NaN if either is, and -0 is smaller than +0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from synnergy.tensor import numerics
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.registry import Infer, Run, Scope, WorkOf, register, touch_work
from synnergy.tensor.types import Array, Node, Refuse, Value, ValueType, Work

_SIGNED = ("int8", "int16", "int32", "int64", *arguments.FLOATS)

Unary = Callable[[Array], Array]
Binary = Callable[[Array, Array], Array]


def function_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """One function evaluation for each output element, besides touching the elements."""
    touched = touch_work(node, inputs, outputs, scope)
    return touched + Work(functions=outputs[0].elements, steps=0)


def infer_unary(allowed: Sequence[str], result: str | None = None) -> Infer:
    """One input of an allowed element type; the output has its shape and, by default, its type."""

    def infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
        arguments.arity(node, inputs, 1, 1)
        value = arguments.required(inputs, 0)
        dtype = arguments.one_of(value, allowed, "an input")
        return [arguments.tensor(result or dtype, value.shape)]

    return infer


def infer_broadcast(
    allowed: Sequence[str],
    result: str | None = None,
    least: int = 2,
    most: int | None = 2,
) -> Infer:
    """Inputs of one allowed element type whose shapes broadcast together."""

    def infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
        arguments.arity(node, inputs, least, most)
        values = [arguments.required(inputs, position) for position in range(len(inputs))]
        dtype = arguments.same_dtype(values)
        arguments.one_of(values[0], allowed, "an input")
        shape = arguments.broadcast([value.shape for value in values])
        return [arguments.tensor(result or dtype, shape)]

    return infer


def run_unary(function: Unary) -> Run:
    def run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
        return [np.asarray(function(arguments.present(inputs, 0)))]

    return run


def run_binary(function: Binary) -> Run:
    def run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
        return [np.asarray(function(arguments.present(inputs, 0), arguments.present(inputs, 1)))]

    return run


def _fold(function: Binary) -> Run:
    """A variadic operator: from the left, two by two."""

    def run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
        result = arguments.present(inputs, 0)
        for position in range(1, len(inputs)):
            result = function(result, arguments.present(inputs, position))
        return [np.asarray(result)]

    return run


def _divide(a: Array, b: Array) -> Array:
    return np.divide(a, b) if a.dtype.kind == "f" else numerics.truncated_divide(a, b)


def _sign(x: Array) -> Array:
    """-1, +0, 1; NaN stays."""
    one = np.ones_like(x)
    if x.dtype.kind == "u":
        return np.where(x > 0, one, np.zeros_like(x))
    rest = np.where(x == 0, np.zeros_like(x), x)
    return np.where(x > 0, one, np.where(x < 0, -one, rest))


def _mean_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    """The sum from the left, in float32 for float16, divided by the number of inputs."""
    first = arguments.present(inputs, 0)
    wide = np.dtype(np.float32) if first.dtype == np.float16 else first.dtype
    total = first.astype(wide)
    for position in range(1, len(inputs)):
        total = total + arguments.present(inputs, position)
    return [np.asarray((total / wide.type(len(inputs))).astype(first.dtype))]


def _mod_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    """The remainder with the sign of the dividend (fmod = 1, exact for floats) or the divisor."""
    a, b = arguments.present(inputs, 0), arguments.present(inputs, 1)
    rest = np.fmod(a, b)
    if arguments.flag(node, "fmod"):
        return [np.asarray(rest)]
    if a.dtype.kind != "f":
        return [np.asarray(np.mod(a, b))]
    other = (rest != 0) & (np.signbit(rest) != np.signbit(b))
    return [np.where(other, rest + b, np.where(rest == 0, np.copysign(rest, b), rest))]


def _mod_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.flag(node, "fmod")
    return infer_broadcast(arguments.NUMBERS)(node, inputs, scope)


def _pow_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 2, 2)
    base, exponent = arguments.required(inputs, 0), arguments.required(inputs, 1)
    dtype = arguments.one_of(base, arguments.NUMBERS, "a base")
    arguments.one_of(exponent, arguments.NUMBERS, "an exponent")
    return [arguments.tensor(dtype, arguments.broadcast([base.shape, exponent.shape]))]


def _shift_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.text(node, "direction", "", ("LEFT", "RIGHT"))
    return infer_broadcast(arguments.INTEGERS)(node, inputs, scope)


def _shift_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    """Shifts by the width or more, and negative ones, leave 0, or the sign on the right."""
    a, b = arguments.present(inputs, 0), arguments.present(inputs, 1)
    last = b.dtype.type(a.dtype.itemsize * 8 - 1)
    inside = (b >= 0) & (b <= last)
    near = np.where(inside, b, last)
    if arguments.text(node, "direction", "", ("LEFT", "RIGHT")) == "LEFT":
        return [np.where(inside, np.left_shift(a, near), np.zeros_like(a))]
    shifted = np.right_shift(a, near)
    return [np.where(inside | (a < 0), shifted, np.zeros_like(shifted))]


#: Clip's bounds before opset 11 when they are left out.
_LARGEST = float(np.finfo(np.float32).max)


def _clip_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 1, 1 if node.opset < 11 else 3)
    value = arguments.required(inputs, 0)
    allowed = arguments.FLOATS if node.opset < 12 else arguments.NUMBERS
    dtype = arguments.one_of(value, allowed, "an input")
    for position in (1, 2):
        bound = arguments.optional(inputs, position)
        if bound is not None and (bound.dtype != dtype or bound.tensor.elements != 1):
            raise Refuse("a bound must be one number of the input's element type")
    arguments.number(node, "min", -_LARGEST)
    arguments.number(node, "max", _LARGEST)
    return [arguments.tensor(dtype, value.shape)]


def _clip_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    """min(max(x, low), high): bounds the wrong way round give the upper one."""
    x = arguments.present(inputs, 0)
    low, high = arguments.given(inputs, 1), arguments.given(inputs, 2)
    if node.opset < 11:
        low = np.asarray(arguments.number(node, "min", -_LARGEST)).astype(x.dtype)
        high = np.asarray(arguments.number(node, "max", _LARGEST)).astype(x.dtype)
    x = x if low is None else numerics.maximum(x, low.reshape(()))
    return [np.asarray(x if high is None else numerics.minimum(x, high.reshape(())))]


_UNARY: dict[str, tuple[Unary, Sequence[str], WorkOf, int]] = {
    "Neg": (np.negative, _SIGNED, touch_work, 6),
    "Abs": (np.abs, arguments.NUMBERS, touch_work, 6),
    "Sign": (_sign, arguments.NUMBERS, touch_work, 9),
    "Ceil": (np.ceil, arguments.FLOATS, touch_work, 6),
    "Floor": (np.floor, arguments.FLOATS, touch_work, 6),
    "Round": (np.rint, arguments.FLOATS, touch_work, 11),
    "BitwiseNot": (np.invert, arguments.INTEGERS, touch_work, 18),
    "Reciprocal": (numerics.reciprocal, arguments.FLOATS, touch_work, 6),
    "Sqrt": (numerics.sqrt, arguments.FLOATS, touch_work, 6),
    "Exp": (numerics.exp, arguments.FLOATS, function_work, 6),
    "Log": (numerics.log, arguments.FLOATS, function_work, 6),
    "Sin": (numerics.sin, arguments.FLOATS, function_work, 7),
    "Cos": (numerics.cos, arguments.FLOATS, function_work, 7),
    "Tan": (numerics.tan, arguments.FLOATS, function_work, 7),
    "Asin": (numerics.asin, arguments.FLOATS, function_work, 7),
    "Acos": (numerics.acos, arguments.FLOATS, function_work, 7),
    "Atan": (numerics.atan, arguments.FLOATS, function_work, 7),
    "Sinh": (numerics.sinh, arguments.FLOATS, function_work, 9),
    "Cosh": (numerics.cosh, arguments.FLOATS, function_work, 9),
    "Asinh": (numerics.asinh, arguments.FLOATS, function_work, 9),
    "Acosh": (numerics.acosh, arguments.FLOATS, function_work, 9),
    "Atanh": (numerics.atanh, arguments.FLOATS, function_work, 9),
    "Erf": (numerics.erf, arguments.FLOATS, function_work, 9),
}

_BINARY: dict[str, tuple[Binary, Sequence[str], int]] = {
    "Add": (np.add, arguments.NUMBERS, 7),
    "Sub": (np.subtract, arguments.NUMBERS, 7),
    "Mul": (np.multiply, arguments.NUMBERS, 7),
    "Div": (_divide, arguments.NUMBERS, 7),
    "BitwiseAnd": (np.bitwise_and, arguments.INTEGERS, 18),
    "BitwiseOr": (np.bitwise_or, arguments.INTEGERS, 18),
    "BitwiseXor": (np.bitwise_xor, arguments.INTEGERS, 18),
}

_VARIADIC: dict[str, tuple[Any, Sequence[str]]] = {
    "Min": (_fold(numerics.minimum), arguments.NUMBERS),
    "Max": (_fold(numerics.maximum), arguments.NUMBERS),
    "Sum": (_fold(np.add), arguments.FLOATS),
    "Mean": (_mean_run, arguments.FLOATS),
}

for _name, (_function, _allowed, _work, _since) in _UNARY.items():
    register(_name, infer_unary(_allowed), run_unary(_function), _work, since=_since)
for _name, (_two, _allowed, _since) in _BINARY.items():
    register(_name, infer_broadcast(_allowed), run_binary(_two), since=_since)
for _name, (_run, _allowed) in _VARIADIC.items():
    register(_name, infer_broadcast(_allowed, least=1, most=None), _run, since=8)
register("Mod", _mod_infer, _mod_run, since=10)
register("Pow", _pow_infer, run_binary(numerics.power), function_work, since=7)
register("BitShift", _shift_infer, _shift_run, since=11)
register("Clip", _clip_infer, _clip_run, since=6)

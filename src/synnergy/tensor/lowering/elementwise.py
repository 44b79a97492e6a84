"""Arithmetic, comparisons, choices and conversions, element by element. TENSOR-15, TENSOR-20"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum

import numpy as np

from synnergy.tensor.kernels.program import Builder, Operand, bits
from synnergy.tensor.kernels.steps import Step
from synnergy.tensor.lowering.chains import chain
from synnergy.tensor.lowering.registry import Site, lowers
from synnergy.tensor.lowering.walks import broadcast, walk
from synnergy.tensor.operators import arguments
from synnergy.tensor.types import DTYPES


class Binary(IntEnum):
    """Operations as the kernel ELEMENTWISE_BINARY numbers them."""

    ADD = 0
    SUB = 1
    MUL = 2
    DIV = 3
    MIN = 4
    MAX = 5
    MOD = 6
    FMOD = 7
    AND = 8
    OR = 9
    XOR = 10
    SHIFT_LEFT = 11
    SHIFT_RIGHT = 12
    PRELU = 13
    EQUAL = 14
    LESS = 15
    LESS_OR_EQUAL = 16
    POWER = 17
    INTEGER_POWER = 18


class Unary(IntEnum):
    """Operations as the kernel ELEMENTWISE_UNARY numbers them."""

    NEGATE = 0
    ABSOLUTE = 1
    SIGN = 2
    FLOOR = 3
    CEIL = 4
    ROUND = 5
    SQRT = 6
    RECIPROCAL = 7
    RELU = 8
    LEAKY_RELU = 9
    THRESHOLDED_RELU = 10
    HARD_SIGMOID = 11
    HARD_SWISH = 12
    SOFTSIGN = 13
    SHRINK = 14
    CLIP = 15
    IS_NAN = 16
    IS_INFINITE = 17


_TESTS = (Binary.EQUAL, Binary.LESS, Binary.LESS_OR_EQUAL)


def converted(builder: Builder, x: Operand, dtype: str) -> Operand:
    """The operand as another element type."""
    if x.dtype == dtype:
        return x
    result = builder.tensor(dtype, x.shape)
    if x.elements:
        builder.step(Step.CAST, x.code, result.code, result, x, x.elements)
    return result


def scalar(builder: Builder, dtype: str, value: float) -> Operand:
    """A constant of one element, rounded to its type."""
    return builder.constant(np.asarray(value).astype(DTYPES[dtype]))


def binary(builder: Builder, operation: Binary, a: Operand, b: Operand) -> Operand:
    """Two operands of one element type, broadcast; float16 by way of float32, which holds every
    result well enough for one rounding more to give the same."""
    shape = arguments.broadcast([a.shape, b.shape])
    if a.dtype == "float16":
        wide = [converted(builder, x, "float32") for x in (a, b)]
        result = binary(builder, operation, wide[0], wide[1])
        return result if operation in _TESTS else converted(builder, result, "float16")
    result = builder.tensor("bool" if operation in _TESTS else a.dtype, shape)
    if result.elements:
        steps = walk(shape, broadcast(a.shape, shape), broadcast(b.shape, shape))
        builder.step(Step.ELEMENTWISE_BINARY, operation, a.code, result, a, b, *steps)
    return result


def unary(
    builder: Builder, operation: Unary, x: Operand, first: float = 0.0, second: float = 0.0
) -> Operand:
    """One operand of floats with up to two parameters; float16 by way of float32."""
    tests = operation in (Unary.IS_NAN, Unary.IS_INFINITE)
    if x.dtype == "float16":
        result = unary(builder, operation, converted(builder, x, "float32"), first, second)
        return result if tests else converted(builder, result, "float16")
    result = builder.tensor("bool" if tests else x.dtype, x.shape)
    if x.elements:
        parameters = (bits(first), bits(second))
        builder.step(Step.ELEMENTWISE_UNARY, operation, x.code, result, x, x.elements, *parameters)
    return result


def _is_float(x: Operand) -> bool:
    return DTYPES[x.dtype].kind == "f"


def _present(inputs: Sequence[Operand | None]) -> list[Operand]:
    return [x for x in inputs if x is not None]


_PLAIN = {
    "Add": Binary.ADD,
    "Sub": Binary.SUB,
    "Mul": Binary.MUL,
    "Div": Binary.DIV,
    "PRelu": Binary.PRELU,
    "Equal": Binary.EQUAL,
    "Less": Binary.LESS,
    "LessOrEqual": Binary.LESS_OR_EQUAL,
    "And": Binary.AND,
    "Or": Binary.OR,
    "Xor": Binary.XOR,
    "BitwiseAnd": Binary.AND,
    "BitwiseOr": Binary.OR,
    "BitwiseXor": Binary.XOR,
}
_SWAPPED = {"Greater": Binary.LESS, "GreaterOrEqual": Binary.LESS_OR_EQUAL}


@lowers(*_PLAIN)
def plain(site: Site) -> list[Operand] | None:
    chained = chain(site)
    if chained is not None:
        return [chained]
    a, b = _present(site.inputs)
    return [binary(site.builder, _PLAIN[site.node.operator], a, b)]


@lowers(*_SWAPPED)
def swapped(site: Site) -> list[Operand] | None:
    a, b = _present(site.inputs)
    return [binary(site.builder, _SWAPPED[site.node.operator], b, a)]


@lowers("Mod")
def modulo(site: Site) -> list[Operand] | None:
    a, b = _present(site.inputs)
    operation = Binary.FMOD if arguments.flag(site.node, "fmod") else Binary.MOD
    return [binary(site.builder, operation, a, b)]


@lowers("BitShift")
def shift(site: Site) -> list[Operand] | None:
    a, b = _present(site.inputs)
    left = site.node.attribute("direction") == "LEFT"
    return [binary(site.builder, Binary.SHIFT_LEFT if left else Binary.SHIFT_RIGHT, a, b)]


@lowers("Pow")
def power(site: Site) -> list[Operand] | None:
    """Floats by float64 where the exponent is of another type; integers wrap in 64 bits."""
    x, y = _present(site.inputs)
    builder = site.builder
    if not _is_float(x) and not _is_float(y):
        if "uint64" in (x.dtype, y.dtype):
            return None
        wide = [converted(builder, each, "int64") for each in (x, y)]
        result = binary(builder, Binary.INTEGER_POWER, wide[0], wide[1])
        return [converted(builder, result, x.dtype)]
    if x.dtype == "float32" and y.const is not None and y.elements == 1 and y.const == 2:
        # The float64 power is the exact square of every float32.
        return [binary(builder, Binary.MUL, x, x).reshaped(site.outputs[0].shape)]
    if x.dtype == y.dtype == "float32":
        return [binary(builder, Binary.POWER, x, y)]
    wide = [converted(builder, each, "float64") for each in (x, y)]
    return [converted(builder, binary(builder, Binary.POWER, wide[0], wide[1]), x.dtype)]


_VARIADIC = {"Min": Binary.MIN, "Max": Binary.MAX, "Sum": Binary.ADD}


@lowers(*_VARIADIC)
def variadic(site: Site) -> list[Operand] | None:
    """From the left, two by two."""
    result, *others = _present(site.inputs)
    for other in others:
        result = binary(site.builder, _VARIADIC[site.node.operator], result, other)
    return [result]


@lowers("Mean")
def mean(site: Site) -> list[Operand] | None:
    builder, inputs = site.builder, _present(site.inputs)
    wide = "float32" if inputs[0].dtype == "float16" else inputs[0].dtype
    result, *others = [converted(builder, x, wide) for x in inputs]
    for other in others:
        result = binary(builder, Binary.ADD, result, other)
    count = scalar(builder, wide, len(inputs))
    return [converted(builder, binary(builder, Binary.DIV, result, count), inputs[0].dtype)]


_UNARY = {
    "Neg": Unary.NEGATE,
    "Abs": Unary.ABSOLUTE,
    "Sign": Unary.SIGN,
    "Floor": Unary.FLOOR,
    "Ceil": Unary.CEIL,
    "Round": Unary.ROUND,
    "Sqrt": Unary.SQRT,
    "Reciprocal": Unary.RECIPROCAL,
    "Relu": Unary.RELU,
    "IsNaN": Unary.IS_NAN,
}


def _negated(builder: Builder, x: Operand) -> Operand:
    return binary(builder, Binary.SUB, scalar(builder, x.dtype, 0), x)


def _magnitude(builder: Builder, x: Operand) -> Operand:
    if DTYPES[x.dtype].kind == "u":
        return x
    return binary(builder, Binary.MAX, x, _negated(builder, x))


def _sign(builder: Builder, x: Operand) -> Operand:
    result = binary(builder, Binary.MIN, x, scalar(builder, x.dtype, 1))
    if DTYPES[x.dtype].kind == "u":
        return result
    return binary(builder, Binary.MAX, result, scalar(builder, x.dtype, -1))


def _rectified(builder: Builder, x: Operand) -> Operand:
    return binary(builder, Binary.MAX, x, scalar(builder, x.dtype, 0))


#: What is done to integers: by operations of two operands.
_OF_INTEGERS: dict[str, Callable[[Builder, Operand], Operand]] = {
    "Neg": _negated,
    "Abs": _magnitude,
    "Sign": _sign,
    "Relu": _rectified,
}


@lowers(*_UNARY)
def one_operand(site: Site) -> list[Operand] | None:
    (x,) = _present(site.inputs)
    if not _is_float(x):
        return [_OF_INTEGERS[site.node.operator](site.builder, x)]
    return [unary(site.builder, _UNARY[site.node.operator], x)]


@lowers("Not", "BitwiseNot")
def inverted(site: Site) -> list[Operand] | None:
    (x,) = _present(site.inputs)
    ones = np.invert(np.zeros((), DTYPES[x.dtype]))
    return [binary(site.builder, Binary.XOR, x, site.builder.constant(ones))]


#: Operation and the defaults of up to two attributes.
_PARAMETRIC: dict[str, tuple[Unary, dict[str, float]]] = {
    "LeakyRelu": (Unary.LEAKY_RELU, {"alpha": 0.01}),
    "ThresholdedRelu": (Unary.THRESHOLDED_RELU, {"alpha": 1.0}),
    "HardSigmoid": (Unary.HARD_SIGMOID, {"alpha": 0.2, "beta": 0.5}),
    "HardSwish": (Unary.HARD_SWISH, {}),
    "Softsign": (Unary.SOFTSIGN, {}),
    "Shrink": (Unary.SHRINK, {"lambd": 0.5, "bias": 0.0}),
}


def _stepwise(builder: Builder, operation: Unary, x: Operand, values: Sequence[float]) -> Operand:
    """Operations of several roundings, each of which is to float16."""
    one = scalar(builder, x.dtype, 1.0)
    if operation == Unary.SOFTSIGN:
        size = binary(builder, Binary.ADD, one, unary(builder, Unary.ABSOLUTE, x))
        return binary(builder, Binary.DIV, x, size)
    slope, offset = (scalar(builder, x.dtype, value) for value in values)
    result = binary(builder, Binary.ADD, binary(builder, Binary.MUL, slope, x), offset)
    result = binary(builder, Binary.MIN, one, result)
    result = binary(builder, Binary.MAX, scalar(builder, x.dtype, 0.0), result)
    return binary(builder, Binary.MUL, x, result) if operation == Unary.HARD_SWISH else result


@lowers(*_PARAMETRIC)
def parametric(site: Site) -> list[Operand] | None:
    (x,) = _present(site.inputs)
    operation, defaults = _PARAMETRIC[site.node.operator]
    values = [arguments.number(site.node, name, default) for name, default in defaults.items()]
    if operation == Unary.HARD_SWISH:
        values = [1.0 / 6.0, 0.5]
    if x.dtype == "float16":
        if operation in (Unary.HARD_SIGMOID, Unary.HARD_SWISH, Unary.SOFTSIGN):
            return [_stepwise(site.builder, operation, x, values)]
        values = [float(np.asarray(value).astype(np.float16)) for value in values]
    return [unary(site.builder, operation, x, *values)]


@lowers("IsInf")
def is_infinite(site: Site) -> list[Operand] | None:
    (x,) = _present(site.inputs)
    signs = [
        arguments.flag(site.node, f"detect_{sign}", True) for sign in ("positive", "negative")
    ]
    return [unary(site.builder, Unary.IS_INFINITE, x, *map(float, signs))]


@lowers("Clip")
def clip(site: Site) -> list[Operand] | None:
    node, builder = site.node, site.builder
    x, low, high = (*site.inputs, None, None)[:3]
    if x is None:
        return None
    if node.opset < 11:
        largest = float(np.finfo(np.float32).max)
        ends = [arguments.number(node, "min", -largest), arguments.number(node, "max", largest)]
        low, high = (scalar(builder, x.dtype, end) for end in ends)
    bounds = [bound for bound in (low, high) if bound is not None]
    if _is_float(x) and all(bound.const is not None for bound in bounds):
        first = -np.inf if low is None or low.const is None else float(low.const.reshape(()))
        second = np.inf if high is None or high.const is None else float(high.const.reshape(()))
        return [unary(builder, Unary.CLIP, x, first, second)]
    if low is not None:
        x = binary(builder, Binary.MAX, x, low.reshaped(()))
    return [x if high is None else binary(builder, Binary.MIN, x, high.reshaped(()))]


@lowers("Where")
def where(site: Site) -> list[Operand] | None:
    condition, a, b = _present(site.inputs)
    result = site.result()
    if result.elements:
        strides = [broadcast(x.shape, result.shape) for x in (condition, a, b)]
        steps = walk(result.shape, *strides)
        site.builder.step(Step.WHERE, a.itemsize, result, condition, a, b, *steps)
    return [result]


@lowers("Cast", "CastLike")
def cast(site: Site) -> list[Operand] | None:
    x = site.inputs[0]
    return None if x is None else [converted(site.builder, x, site.outputs[0].dtype)]


@lowers("BitCast")
def bit_cast(site: Site) -> list[Operand] | None:
    """The same bytes; of floats after every NaN has become the one NaN."""
    (x,) = _present(site.inputs)
    dtype = site.outputs[0].dtype
    if _is_float(x) and x.elements:
        copy = site.builder.tensor(x.dtype, x.shape)
        steps = walk((x.elements,), (1,), (1,))
        site.builder.step(Step.COPY, x.itemsize, copy, x, *steps)
        site.builder.step(Step.CANONICALISE, copy.code, copy, copy.elements)
        x = copy
    if dtype == "bool":
        return [converted(site.builder, Operand("uint8", x.shape, x.buffer, x.offset), dtype)]
    return [Operand(dtype, x.shape, x.buffer, x.offset)]


@lowers("Dropout")
def dropout(site: Site) -> list[Operand] | None:
    """The identity; the mask, if it's wanted, says that everything stays."""
    x = site.inputs[0]
    if x is None:
        return None
    if len(site.node.outputs) < 2 or not site.node.outputs[1]:
        return [x]
    mask = site.result(1)
    if mask.elements:
        one = scalar(site.builder, mask.dtype, 1)
        steps = walk((mask.elements,), (1,), (0,))
        site.builder.step(Step.COPY, mask.itemsize, mask, one, *steps)
    return [x, mask]

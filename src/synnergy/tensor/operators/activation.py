"""Activation functions, softmax and dropout.

TENSOR-22: one with an exponential in it is evaluated in float64 by the formula given here and
rounded once; one of additions, products and comparisons rounds each step to the element type.
NaN stays NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from synnergy.tensor import numerics
from synnergy.tensor.elementary import (
    expm1_64,
    sigmoid64,
    softplus64,
    tanh64,
)
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.elementwise import (
    function_work,
    infer_broadcast,
    infer_unary,
    run_unary,
)
from synnergy.tensor.operators.registry import Run, Scope, register, touch_work
from synnergy.tensor.trigonometry import erf64
from synnergy.tensor.types import Array, Node, Refuse, Value, ValueType, Work

_SIGNED = ("int8", "int16", "int32", "int64", *arguments.FLOATS)

Parameters = dict[str, float]


def _parameters(node: Node, defaults: Parameters) -> list[float]:
    return [arguments.number(node, name, default) for name, default in defaults.items()]


def _register_parametric(
    name: str,
    function: Callable[..., Array],
    defaults: Parameters,
    since: int,
    wide: bool,
) -> None:
    """An activation of one input and float attributes; `wide` ones are evaluated in float64."""

    def infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
        _parameters(node, defaults)
        return infer_unary(arguments.FLOATS)(node, inputs, scope)

    def run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
        x = arguments.present(inputs, 0)
        values = _parameters(node, defaults)
        if not wide:
            return [
                np.asarray(function(x, *(np.asarray(value).astype(x.dtype) for value in values)))
            ]

        def kernel(chunk: Array) -> Array:
            return function(chunk, *values)

        return [numerics.elementwise(kernel)(x)]

    register(name, infer, run, function_work if wide else touch_work, since=since)


def _leaky_relu(x: Array, alpha: Array) -> Array:
    return np.where(x < 0, alpha * x, x)


def _thresholded_relu(x: Array, alpha: Array) -> Array:
    return np.where(np.isnan(x) | (x > alpha), x, np.zeros_like(x))


def _hard_sigmoid(x: Array, alpha: Array, beta: Array) -> Array:
    zero, one = np.zeros((), x.dtype), np.ones((), x.dtype)
    return numerics.maximum(zero, numerics.minimum(one, alpha * x + beta))


def _hard_swish(x: Array) -> Array:
    """x max(0, min(1, x / 6 + 1/2)), the sixth rounded to the element type first."""
    sixth = np.asarray(1.0 / 6.0).astype(x.dtype)
    return x * _hard_sigmoid(x, sixth, np.asarray(0.5).astype(x.dtype))


def _softsign(x: Array) -> Array:
    return x / (np.ones((), x.dtype) + np.abs(x))


def _shrink(x: Array, lambd: Array, bias: Array) -> Array:
    middle = np.where(np.isnan(x), x, np.zeros_like(x))
    return np.where(x < -lambd, x + bias, np.where(x > lambd, x - bias, middle))


def _elu(x: Array, alpha: float) -> Array:
    return np.where(x < 0, alpha * expm1_64(x), x)


def _selu(x: Array, alpha: float, gamma: float) -> Array:
    return gamma * np.where(x > 0, x, alpha * expm1_64(x))


def _celu(x: Array, alpha: float) -> Array:
    """max(0, x) + min(0, alpha (e ** (x / alpha) - 1))."""
    bent = alpha * expm1_64(x / np.float64(alpha))
    return np.where(x < 0, 0.0, x) + np.where(bent > 0, 0.0, bent)


def _swish(x: Array, alpha: float) -> Array:
    return x * sigmoid64(alpha * x)


def _mish(x: Array) -> Array:
    return x * tanh64(softplus64(x))


def _gelu(x: Array) -> Array:
    """x / 2 (1 + erf(x / sqrt 2))."""
    return 0.5 * x * (1.0 + erf64(x * np.sqrt(0.5)))


def _gelu_tanh(x: Array) -> Array:
    """x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))."""
    return 0.5 * x * (1.0 + tanh64(0.7978845608028654 * (x + 0.044715 * (x * x * x))))


def _relu(x: Array) -> Array:
    """max(x, 0): -0 becomes +0, NaN stays NaN."""
    return numerics.maximum(x, np.zeros((), x.dtype))


def _gelu_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.text(node, "approximate", "none", ("none", "tanh"))
    return infer_unary(arguments.FLOATS)(node, inputs, scope)


def _gelu_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    exact = arguments.text(node, "approximate", "none", ("none", "tanh")) == "none"
    kernel = numerics.elementwise(_gelu if exact else _gelu_tanh)
    return [kernel(arguments.present(inputs, 0))]


def _prelu_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    types = infer_broadcast(_SIGNED)(node, inputs, scope)
    if types[0] != arguments.required(inputs, 0).type:
        raise Refuse("the slope's shape doesn't fit into the input's")
    return types


def _prelu_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    x, slope = arguments.present(inputs, 0), arguments.present(inputs, 1)
    return [np.where(x < 0, slope * x, x)]


def softmax_axes(node: Node, rank: int) -> tuple[int, ...]:
    """Before opset 13 every axis from `axis` (default 1) on counts as one; later only `axis`."""
    if node.opset >= 13:
        return (arguments.axis_of(arguments.integer(node, "axis", -1), rank),)
    axis = arguments.integer(node, "axis", 1)
    if axis == rank:
        return ()
    return tuple(range(arguments.axis_of(axis, rank), rank))


def _softmax_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    types = infer_unary(arguments.FLOATS)(node, inputs, scope)
    softmax_axes(node, len(arguments.required(inputs, 0).shape))
    return types


def _softmax_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """Maximum, difference, exponential, sum and quotient of each element."""
    count = outputs[0].elements
    return Work(elements=4 * count, functions=count)


def _shifted(x: Array, axes: tuple[int, ...]) -> Array:
    """x less its largest along `axes`."""
    return x - numerics.reduce_maximum(x, axes, keepdims=True) if x.size else x


def _over_axes(function: Callable[[Array, tuple[int, ...]], Array]) -> Run:
    def run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
        x = arguments.present(inputs, 0)
        return [function(x, softmax_axes(node, x.ndim)).astype(x.dtype)]

    return run


def softmax(x: Array, axes: tuple[int, ...]) -> Array:
    """e ** (x - max) over its sum by TENSOR-12, each step rounded to the element type."""
    exponentials = numerics.exp(_shifted(x, axes))
    return exponentials / numerics.ordered_sum(exponentials, axes, keepdims=True)


def log_softmax(x: Array, axes: tuple[int, ...]) -> Array:
    """(x - max) - ln(sum of e ** (x - max))."""
    shifted = _shifted(x, axes)
    return shifted - numerics.log(numerics.ordered_sum(numerics.exp(shifted), axes, keepdims=True))


def _hardmax(x: Array, axes: tuple[int, ...]) -> Array:
    """1 at the first largest element, 0 elsewhere; NaN counts as largest."""
    if not x.size:
        return x
    kept = x.shape[: axes[0]] if axes else x.shape
    after = x.shape[axes[-1] + 1 :] if axes else ()
    grouped = x.reshape(*kept, -1, *after)
    axis = len(kept)
    first = np.expand_dims(np.argmax(grouped, axis=axis), axis)
    result = np.zeros_like(grouped)
    np.put_along_axis(result, first, np.ones((), x.dtype), axis)
    return result.reshape(x.shape)


def _dropout_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    """The identity: training, which would need randomness, is refused unless the ratio is 0."""
    arguments.arity(node, inputs, 1, 3 if node.opset >= 12 else 1, outputs=2)
    value = arguments.required(inputs, 0)
    dtype = arguments.one_of(value, arguments.FLOATS, "an input")
    ratio, training = arguments.optional(inputs, 1), arguments.optional(inputs, 2)
    if training is not None:
        trains = training.const is None or bool(training.const.any())
        drops = ratio is None or ratio.const is None or bool((ratio.const != 0).any())
        if trains and drops:
            raise Refuse("training_mode isn't supported, its result is random")
    mask = "bool" if node.opset >= 10 else dtype
    return [arguments.tensor(dtype, value.shape), arguments.tensor(mask, value.shape)]


def _dropout_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    x = arguments.present(inputs, 0)
    return [x, np.ones(x.shape, np.bool_ if node.opset >= 10 else x.dtype)]


for _name, _function, _defaults, _since, _wide in (
    ("LeakyRelu", _leaky_relu, {"alpha": 0.01}, 6, False),
    ("ThresholdedRelu", _thresholded_relu, {"alpha": 1.0}, 10, False),
    ("HardSigmoid", _hard_sigmoid, {"alpha": 0.2, "beta": 0.5}, 6, False),
    ("HardSwish", _hard_swish, Parameters(), 14, False),
    ("Softsign", _softsign, Parameters(), 1, False),
    ("Shrink", _shrink, {"lambd": 0.5, "bias": 0.0}, 9, False),
    ("Elu", _elu, {"alpha": 1.0}, 6, True),
    ("Selu", _selu, {"alpha": 1.6732631921768188, "gamma": 1.0507010221481323}, 6, True),
    ("Celu", _celu, {"alpha": 1.0}, 12, True),
    ("Swish", _swish, {"alpha": 1.0}, 24, True),
    ("Mish", _mish, Parameters(), 18, True),
    ("Sigmoid", sigmoid64, Parameters(), 6, True),
    ("Tanh", tanh64, Parameters(), 6, True),
    ("Softplus", softplus64, Parameters(), 1, True),
):
    _register_parametric(_name, _function, _defaults, _since, _wide)


def _swiglu_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 2, 2)
    a, b = arguments.required(inputs, 0), arguments.required(inputs, 1)
    arguments.one_of(a, arguments.FLOATS, "A")
    if a.type != b.type:
        raise Refuse("A and B are of different types")
    arguments.number(node, "alpha", 1.0)
    return [a.tensor]


@numerics.quiet
def _swiglu_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    """Swish of A, rounded, times B."""
    a, b = arguments.present(inputs, 0), arguments.present(inputs, 1)
    alpha = arguments.number(node, "alpha", 1.0)
    return [_swish(a.astype(np.float64), alpha=alpha).astype(a.dtype) * b]


register("SwiGLU", _swiglu_infer, _swiglu_run, function_work, since=28)
register("Relu", infer_unary(_SIGNED), run_unary(_relu), since=6)
register("Gelu", _gelu_infer, _gelu_run, function_work, since=20)
register("PRelu", _prelu_infer, _prelu_run, since=7)
register("Softmax", _softmax_infer, _over_axes(softmax), _softmax_work)
register("LogSoftmax", _softmax_infer, _over_axes(log_softmax), _softmax_work)
register("Hardmax", _softmax_infer, _over_axes(_hardmax))
register("Dropout", _dropout_infer, _dropout_run, since=7)

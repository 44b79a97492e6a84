"""Normalisation by mean and variance, by root mean square, by a norm, and across channels.

TENSOR-19: means and sums follow TENSOR-12; variance is the mean of squared differences from the
mean; each step rounds to the element type, float16 being computed in float32 and rounded once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from synnergy.tensor import numerics
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import DTYPES, Array, Node, Refuse, Value, ValueType, Work

_STASH = {1: "float32", 10: "float16", 11: "float64"}


def _norm_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """Sum, difference and square, scale, shift: four passes over each element."""
    return Work(elements=4 * outputs[0].elements)


def _affine_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """A factor and a shift of each element."""
    return Work(elements=2 * outputs[0].elements)


def _float(inputs: Sequence[Value | None], rank: int = 1) -> Value:
    x = arguments.required(inputs, 0)
    arguments.one_of(x, arguments.FLOATS, "an input")
    if len(x.shape) < rank:
        raise Refuse(f"its input needs rank {rank}, not {len(x.shape)}")
    return x


def _wide(x: Array) -> Array:
    return x.astype(np.float32) if x.dtype == np.float16 else x


def _scalar(value: float, x: Array) -> Array:
    return np.asarray(value).astype(x.dtype)


def _inverse_root(x: Array, epsilon: float) -> Array:
    """1 / sqrt(x + epsilon)."""
    return numerics.reciprocal(np.sqrt(x + _scalar(epsilon, x)))


def _centred(x: Array, axes: tuple[int, ...], epsilon: float) -> tuple[Array, Array, Array]:
    """(x - mean, mean, 1 / sqrt(variance + epsilon)) along `axes`, which are kept."""
    mean = numerics.ordered_mean(x, axes, keepdims=True)
    centred = x - mean
    variance = numerics.ordered_mean(centred * centred, axes, keepdims=True)
    return centred, mean, _inverse_root(variance, epsilon)


def _epsilon(node: Node) -> float:
    return arguments.number(node, "epsilon", 1e-5)


def _per_channel(value: Array, rank: int) -> Array:
    return value.reshape(1, -1, *(1,) * (rank - 2))


def _vectors(inputs: Sequence[Value | None], first: int, count: int, length: int) -> None:
    """Refuse unless `count` inputs from `first` on are vectors of this length."""
    for position in range(first, first + count):
        vector = arguments.required(inputs, position)
        arguments.one_of(vector, arguments.FLOATS, "a parameter")
        if vector.shape != (length,):
            raise Refuse(f"a parameter of shape {list(vector.shape)} where [{length}] belongs")


def _batch_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 5, 5, outputs=5)
    x = _float(inputs, 2)
    if arguments.flag(node, "training_mode") or len(node.outputs) > 1:
        raise Refuse("training mode isn't supported")
    _vectors(inputs, 1, 4, x.shape[1])
    _epsilon(node)
    return [arguments.tensor(x.dtype, x.shape)]


def batch_terms(
    node: Node, dtype: np.dtype[Any], parameters: Sequence[Array | None]
) -> tuple[Array, Array]:
    """scale / sqrt(variance + epsilon) and bias - mean factor, of scale, bias, mean, variance."""
    scale, bias, mean, variance = (
        arguments.present(parameters, position).astype(dtype) for position in range(4)
    )
    factor = scale * _inverse_root(variance, _epsilon(node))
    return factor, bias - mean * factor


def _batch_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    """x factor + shift."""
    x = arguments.present(inputs, 0)
    wide = _wide(x)
    factor, shift = batch_terms(node, wide.dtype, inputs[1:])
    result = wide * _per_channel(factor, x.ndim) + _per_channel(shift, x.ndim)
    return [result.astype(x.dtype)]


def _instance_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 3, 3)
    x = _float(inputs, 3)
    _vectors(inputs, 1, 2, x.shape[1])
    _epsilon(node)
    return [arguments.tensor(x.dtype, x.shape)]


def _instance_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    x = arguments.present(inputs, 0)
    wide = _wide(x)
    centred, _, inverse = _centred(wide, tuple(range(2, x.ndim)), _epsilon(node))
    scale = _per_channel(arguments.present(inputs, 1).astype(wide.dtype), x.ndim)
    bias = _per_channel(arguments.present(inputs, 2).astype(wide.dtype), x.ndim)
    return [(centred * inverse * scale + bias).astype(x.dtype)]


def _group_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 3, 3)
    x = _float(inputs, 2)
    groups = arguments.integer(node, "num_groups", None, 1, 1 << 24)
    if x.shape[1] % groups:
        raise Refuse(f"{x.shape[1]} channels don't divide into {groups} groups")
    _vectors(inputs, 1, 2, x.shape[1] if node.opset >= 21 else groups)
    _epsilon(node)
    return [arguments.tensor(x.dtype, x.shape)]


def _group_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    """Scale and bias hold a number for each channel; before opset 21, for each group."""
    x = arguments.present(inputs, 0)
    wide = _wide(x)
    groups = arguments.integer(node, "num_groups", None, 1, 1 << 24)
    grouped = wide.reshape(x.shape[0], groups, -1)
    centred, _, inverse = _centred(grouped, (2,), _epsilon(node))
    normal = (centred * inverse).reshape(x.shape)
    scale, bias = (arguments.present(inputs, at).astype(wide.dtype) for at in (1, 2))
    if node.opset < 21:
        scale, bias = (np.repeat(part, x.shape[1] // groups) for part in (scale, bias))
    result = normal * _per_channel(scale, x.ndim) + _per_channel(bias, x.ndim)
    return [result.astype(x.dtype)]


def trailing_axes(node: Node, rank: int) -> tuple[int, ...]:
    axis = arguments.axis_of(arguments.integer(node, "axis", -1), rank)
    return tuple(range(axis, rank))


def stash(node: Node) -> str:
    """The type in which the statistics are computed and given out."""
    name = _STASH.get(arguments.integer(node, "stash_type", 1))
    if name is None:
        raise Refuse("its stash_type isn't supported")
    return name


def _fits(x: Value, value: Value | None) -> None:
    if value is not None:
        arguments.one_of(value, arguments.FLOATS, "a parameter")
        if arguments.broadcast([x.shape, value.shape]) != x.shape:
            raise Refuse(f"a parameter of shape {list(value.shape)} doesn't fit {list(x.shape)}")


def _layer_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 2, 3, outputs=3)
    x = _float(inputs)
    axes = trailing_axes(node, len(x.shape))
    _fits(x, arguments.required(inputs, 1))
    _fits(x, arguments.optional(inputs, 2))
    _epsilon(node)
    reduced = (*x.shape[: axes[0]], *(1 for _ in axes))
    kept = arguments.tensor(stash(node), reduced)
    return [arguments.tensor(x.dtype, x.shape), kept, kept]


def _layer_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    """(x - mean) / sqrt(variance + epsilon), times scale, plus bias."""
    x, scale = arguments.present(inputs, 0), arguments.present(inputs, 1)
    wide = _wide(x)
    centred, mean, inverse = _centred(wide, trailing_axes(node, x.ndim), _epsilon(node))
    result = centred * inverse * scale.astype(wide.dtype)
    bias = arguments.given(inputs, 2)
    if bias is not None:
        result = result + bias.astype(wide.dtype)
    kept = DTYPES[stash(node)]
    return [result.astype(x.dtype), mean.astype(kept), inverse.astype(kept)]


def _root_mean_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 2, 2)
    x, scale = _float(inputs), arguments.required(inputs, 1)
    trailing_axes(node, len(x.shape))
    _fits(x, scale)
    stash(node)
    _epsilon(node)
    return [arguments.tensor(scale.dtype, x.shape)]


def _root_mean_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    """x / sqrt(mean of x^2 + epsilon), times scale."""
    x, scale = arguments.present(inputs, 0), arguments.present(inputs, 1)
    wide = _wide(x)
    square = numerics.ordered_mean(wide * wide, trailing_axes(node, x.ndim), keepdims=True)
    result = wide * _inverse_root(square, _epsilon(node)) * scale.astype(wide.dtype)
    return [result.astype(scale.dtype)]


def _local_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 1, 1)
    x = _float(inputs, 2)
    arguments.integer(node, "size", None, 1, 1 << 20)
    for name, default in (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0)):
        arguments.number(node, name, default)
    return [arguments.tensor(x.dtype, x.shape)]


def _local_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """For each output its neighbours and four passes more, and a function; a step for each
    neighbour."""
    count = outputs[0].elements
    size = min(arguments.integer(node, "size"), 2 * arguments.required(inputs, 0).shape[1])
    return Work(elements=count * (size + 4), functions=count, steps=size)


def _local_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    """x / (bias + alpha / size * sum of squares of the channels around) ** beta.

    The sum starts from +0 and adds squares in order of the channels.
    """
    x = arguments.present(inputs, 0)
    wide = _wide(x)
    size = arguments.integer(node, "size")
    channels = x.shape[1]
    squares = wide * wide
    total = np.zeros_like(wide)
    before, after = min((size - 1) // 2, channels), min(size // 2, channels)
    for offset in range(-before, after + 1):
        first, last = max(0, -offset), min(channels, channels - offset)
        total[:, first:last] += squares[:, first + offset : last + offset]
    alpha = _scalar(arguments.number(node, "alpha", 1e-4) / size, wide)
    base = _scalar(arguments.number(node, "bias", 1.0), wide) + alpha * total
    beta = np.asarray(arguments.number(node, "beta", 0.75))
    return [(wide / numerics.power(base, beta)).astype(x.dtype)]


def _lp_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 1, 1)
    x = _float(inputs)
    arguments.axis_of(arguments.integer(node, "axis", -1), len(x.shape))
    arguments.integer(node, "p", 2, 1, 2)
    return [arguments.tensor(x.dtype, x.shape)]


def _lp_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    """x / norm along an axis; 0 where the norm is 0."""
    x = arguments.present(inputs, 0)
    wide = _wide(x)
    axis = arguments.axis_of(arguments.integer(node, "axis", -1), x.ndim)
    if arguments.integer(node, "p", 2, 1, 2) == 2:
        norm = np.sqrt(numerics.ordered_sum(wide * wide, axis, keepdims=True))
    else:
        norm = numerics.ordered_sum(np.abs(wide), axis, keepdims=True)
    return [np.where(norm == 0, np.zeros_like(wide), wide / norm).astype(x.dtype)]


def mean_variance_axes(node: Node, rank: int) -> tuple[int, ...]:
    axes = arguments.integers(node, "axes")
    return arguments.axes_of((0, 2, 3) if axes is None else axes, rank)


def _mean_variance_infer(
    node: Node, inputs: Sequence[Value | None], scope: Scope
) -> list[ValueType]:
    arguments.arity(node, inputs, 1, 1)
    x = _float(inputs)
    mean_variance_axes(node, len(x.shape))
    return [arguments.tensor(x.dtype, x.shape)]


def _mean_variance_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    """(x - mean) / (standard deviation + 1e-9)."""
    x = arguments.present(inputs, 0)
    wide = _wide(x)
    axes = mean_variance_axes(node, x.ndim)
    centred = wide - numerics.ordered_mean(wide, axes, keepdims=True)
    deviation = np.sqrt(numerics.ordered_mean(centred * centred, axes, keepdims=True))
    return [(centred / (deviation + _scalar(1e-9, wide))).astype(x.dtype)]


register("BatchNormalization", _batch_infer, _batch_run, _affine_work, since=9)
register("InstanceNormalization", _instance_infer, _instance_run, _norm_work, since=6)
register("GroupNormalization", _group_infer, _group_run, _norm_work, since=18)
register("LayerNormalization", _layer_infer, _layer_run, _norm_work, since=17)
register("RMSNormalization", _root_mean_infer, _root_mean_run, _norm_work, since=23)
register("LRN", _local_infer, _local_run, _local_work)
register("LpNormalization", _lp_infer, _lp_run, _norm_work)
register(
    "MeanVarianceNormalization", _mean_variance_infer, _mean_variance_run, _norm_work, since=9
)

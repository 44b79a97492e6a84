"""Attention: softmax(Q K^T + bias) V, with grouped heads, caches, masks and windows.

SHAPE-110: Q and K are each multiplied by the square root of the scale; both products follow
TENSOR-10. The bias is the sum, in this order, of mask, causal bound, window and padding, each 0 or
-inf where it is not a float mask. Softmax is exp(x - max) / sum by TENSOR-12, in float64 where
`softmax_precision` is double, else in float32 (float64 of float64 inputs). A query whose bias is
-inf everywhere attends nothing: its row is +0. float16 is computed in float32, rounded once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synnergy.tensor import numerics
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import Array, BadInput, Node, Refuse, Value, ValueType, Work

_RAW, _CAPPED, _BIASED, _SOFTMAX = range(4)
#: Scores of one node; several copies live at once, beside the outputs. SHAPE-110
_SCORES = 1 << 26
_PRECISIONS = (0, 1, 10, 11)
DOUBLE = 11


@dataclass(frozen=True, slots=True)
class Sizes:
    """Heads and lengths; `flat` where Q, K and V are of rank 3, heads within the last axis."""

    batch: int
    heads: int
    groups: int
    queries: int
    keys: int
    past: int
    head: int
    value: int
    flat: bool

    @property
    def total(self) -> int:
        return self.past + self.keys

    @property
    def scores(self) -> tuple[int, int, int, int]:
        return (self.batch, self.heads, self.queries, self.total)


def _heads(node: Node, shape: Sequence[int], name: str) -> tuple[int, int, int, int]:
    """batch, heads, length and size of a head."""
    if len(shape) == 4:
        return (shape[0], shape[1], shape[2], shape[3])
    if len(shape) != 3:
        raise Refuse(f"an input of rank {len(shape)} where 3 or 4 belongs")
    heads = arguments.integer(node, name, low=1, high=max(shape[2], 1))
    if shape[2] % heads:
        raise Refuse(f"{shape[2]} features don't divide into {heads} heads")
    return (shape[0], heads, shape[1], shape[2] // heads)


def sizes_of(node: Node, shapes: Sequence[tuple[int, ...] | None]) -> Sizes:
    """Sizes from the shapes of all inputs, which must fit each other. Raises Refuse."""
    q, k, v, mask, past_key, past_value, lengths = (*shapes, *[None] * (7 - len(shapes)))
    if q is None or k is None or v is None or not len(q) == len(k) == len(v):
        raise Refuse("Q, K and V must be of one rank")
    batch, heads, queries, head = _heads(node, q, "q_num_heads")
    k_batch, groups, keys, k_head = _heads(node, k, "kv_num_heads")
    v_batch, v_groups, v_keys, value = _heads(node, v, "kv_num_heads")
    alike = batch == k_batch == v_batch and groups == v_groups and keys == v_keys
    if not alike or head != k_head or groups < 1 or heads % groups:
        raise Refuse(f"Q, K and V of shapes {q}, {k} and {v} don't fit each other")
    past = 0 if past_key is None else past_key[2] if len(past_key) == 4 else -1
    sizes = Sizes(batch, heads, groups, queries, keys, past, head, value, len(q) == 3)
    if (past_key is None) != (past_value is None) or (past_key and lengths is not None):
        raise Refuse("past_key and past_value belong together, without nonpad_kv_seqlen")
    for shape, size in ((past_key, head), (past_value, value)):
        if shape is not None and shape != (batch, groups, past, size):
            raise Refuse(f"a past of shape {shape} doesn't fit")
    if lengths is not None and lengths != (batch,):
        raise Refuse(f"nonpad_kv_seqlen of shape {lengths} for a batch of {batch}")
    if mask is not None:
        _check_mask(mask, sizes)
    return sizes


def _check_mask(mask: tuple[int, ...], sizes: Sizes) -> None:
    """The mask broadcasts to the scores; its last axis may be shorter, the rest is masked."""
    whole = (*mask[:-1], sizes.total)
    fits = 1 <= len(mask) <= 4 and mask[-1] <= sizes.total
    if not fits or arguments.broadcast([whole, sizes.scores]) != sizes.scores:
        raise Refuse(f"a mask of shape {mask} doesn't fit scores of shape {sizes.scores}")


def _infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 3, 7, 4)
    floats = [value for place, value in enumerate(inputs) if value and place in (0, 1, 2, 4, 5)]
    dtype = arguments.same_dtype(floats)
    arguments.one_of(floats[0], arguments.FLOATS, "Q")
    mask, lengths = arguments.optional(inputs, 3), arguments.optional(inputs, 6)
    if mask is not None:
        arguments.one_of(mask, ("bool", dtype), "attn_mask")
    if lengths is not None:
        arguments.one_of(lengths, ("int64",), "nonpad_kv_seqlen")
    sizes = sizes_of(node, [None if value is None else value.shape for value in inputs])
    arguments.flag(node, "is_causal")
    arguments.integer(node, "qk_matmul_output_mode", _RAW, _RAW, _SOFTMAX)
    for name in ("left_window_size", "right_window_size"):
        arguments.integer(node, name, -1, -1)
    if arguments.integer(node, "softmax_precision", 0) not in _PRECISIONS:
        raise Refuse("softmax_precision is none of float, float16 and double")
    if not 0 <= arguments.number(node, "softcap", 0.0) < math.inf:
        raise Refuse("attribute softcap is below zero or not finite")
    scale_root(node, sizes)
    if math.prod(sizes.scores) > _SCORES:
        raise Refuse(f"{math.prod(sizes.scores)} scores are above the limit of 2^26")
    y = (sizes.batch, sizes.heads, sizes.queries, sizes.value)
    if sizes.flat:
        y = (sizes.batch, sizes.queries, sizes.heads * sizes.value)
    shapes = (
        y,
        (sizes.batch, sizes.groups, sizes.total, sizes.head),
        (sizes.batch, sizes.groups, sizes.total, sizes.value),
        sizes.scores,
    )
    types: list[ValueType] = [arguments.tensor(dtype, shape) for shape in shapes]
    return types[: len(node.outputs)]


def _work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """Both products; for each score a scale, bias, exponential and share of the sum."""
    sizes = sizes_of(node, [None if value is None else value.shape for value in inputs])
    scores = math.prod(sizes.scores)
    capped = arguments.number(node, "softcap", 0.0) > 0
    return Work(
        macs=scores * (sizes.head + sizes.value),
        elements=scores * 8 + sum(output.elements for output in outputs),
        functions=scores * (2 if capped else 1),
    )


def scale_root(node: Node, sizes: Sizes) -> float:
    """The square root of the scale, 1 / sqrt(size of a head) by default."""
    scale = arguments.number(node, "scale", 1.0 / math.sqrt(max(sizes.head, 1)))
    if not 0 <= scale < math.inf:
        raise Refuse(f"a scale of {scale} has no square root")
    return math.sqrt(scale)


def _split(x: Array, heads: int, size: int, flat: bool) -> Array:
    """[batch, heads, length, size] of an input of either rank."""
    if not flat:
        return x
    return x.reshape(x.shape[0], x.shape[1], heads, size).transpose(0, 2, 1, 3)


def _masked(allowed: Array, dtype: np.dtype[Any]) -> Array:
    return np.where(allowed, 0.0, -np.inf).astype(dtype)


def _bias(
    node: Node,
    sizes: Sizes,
    mask: Array | None,
    lengths: Array | None,
    dtype: np.dtype[Any],
) -> Array:
    """What is added to the scores, broadcasting to them."""
    bias: Array = np.zeros((1, 1, sizes.queries, sizes.total), dtype)
    if mask is not None:
        added = _masked(mask, dtype) if mask.dtype == np.bool_ else mask.astype(dtype)
        short = sizes.total - added.shape[-1]
        widths = [(0, 0)] * (added.ndim - 1) + [(0, short)]
        bias = bias + np.pad(added, widths, constant_values=-np.inf)
    # Position of each query among the keys, [batch or 1, 1, queries, 1].
    offset = np.full(1, sizes.past, np.int64) if lengths is None else lengths - sizes.queries
    line = np.arange(sizes.queries, dtype=np.int64)[:, None]
    ahead = np.arange(sizes.total, dtype=np.int64) - (line + offset.reshape(-1, 1, 1, 1))
    if arguments.flag(node, "is_causal"):
        bias = bias + _masked(ahead <= 0, dtype)
    left = arguments.integer(node, "left_window_size", -1)
    right = arguments.integer(node, "right_window_size", -1)
    if left >= 0 or right >= 0:
        bound = sizes.total + sizes.queries + 1  # an int64 comparison must not overflow
        inside = (left < 0) | (ahead >= -min(left, bound))
        bias = bias + _masked(inside & ((right < 0) | (ahead <= min(right, bound))), dtype)
    if lengths is not None:
        keys = np.arange(sizes.total, dtype=np.int64)
        bias = bias + _masked(keys < lengths.reshape(-1, 1, 1, 1), dtype)
    return bias


def _softmax(x: Array) -> Array:
    """Along the last axis; a row of -inf gives zeros."""
    if x.shape[-1] == 0:
        return x
    largest = numerics.reduce_maximum(x, -1, True)
    shift = np.where(largest == -np.inf, x.dtype.type(0), largest)
    powers = numerics.exp(x - shift)
    total = numerics.ordered_sum(powers, -1, True)
    return powers / np.where(total == 0, x.dtype.type(1), total)


def _lengths(inputs: Sequence[Array | None], sizes: Sizes) -> Array | None:
    lengths = arguments.given(inputs, 6)
    if lengths is not None and ((lengths < 0) | (lengths > sizes.total)).any():
        raise BadInput(f"nonpad_kv_seqlen is outside 0..{sizes.total}")
    return lengths


@numerics.quiet
def _run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    sizes = sizes_of(node, [None if array is None else array.shape for array in inputs])
    dtype = arguments.present(inputs, 0).dtype
    wide = np.dtype(np.float32) if dtype == np.float16 else dtype
    q = _split(arguments.present(inputs, 0), sizes.heads, sizes.head, sizes.flat)
    k = _split(arguments.present(inputs, 1), sizes.groups, sizes.head, sizes.flat)
    v = _split(arguments.present(inputs, 2), sizes.groups, sizes.value, sizes.flat)
    past_key, past_value = arguments.given(inputs, 4), arguments.given(inputs, 5)
    keys = k if past_key is None else np.concatenate([past_key, k], axis=2)
    values = v if past_value is None else np.concatenate([past_value, v], axis=2)
    shared = sizes.heads // sizes.groups
    factor = np.array(scale_root(node, sizes)).astype(wide)
    left = q.astype(wide) * factor
    right = np.repeat(keys.astype(wide), shared, axis=1).swapaxes(2, 3) * factor
    scores = raw = numerics.matmul(left, right)
    cap = wide.type(arguments.number(node, "softcap", 0.0))
    if cap > 0:
        scores = numerics.tanh(scores / cap) * cap
    bias = _bias(node, sizes, arguments.given(inputs, 3), _lengths(inputs, sizes), wide)
    biased = scores + bias
    double = arguments.integer(node, "softmax_precision", 0) == DOUBLE
    shares = _softmax(biased.astype(np.float64) if double else biased)
    nothing = (bias == -np.inf).all(axis=-1, keepdims=True)
    shares = np.where(nothing, shares.dtype.type(0), shares).astype(wide)
    y = numerics.matmul(shares, np.repeat(values.astype(wide), shared, axis=1))
    if sizes.flat:
        features = sizes.heads * sizes.value
        y = y.transpose(0, 2, 1, 3).reshape(sizes.batch, sizes.queries, features)
    mode = arguments.integer(node, "qk_matmul_output_mode", _RAW)
    shown = {_RAW: raw, _CAPPED: scores, _BIASED: biased, _SOFTMAX: shares}[mode]
    results = (y, keys, values, shown)
    return [np.array(result.astype(dtype), order="C") for result in results[: len(node.outputs)]]


register("Attention", _infer, _run, _work, since=23)

"""Recurrences of linear attention: LinearAttention, CausalConvWithState. SHAPE-112, SHAPE-113"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from synnergy.tensor import numerics
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import Array, Node, Refuse, Value, ValueType, Work

_RULES = ("linear", "gated", "delta", "gated_delta")
_ACTIVATIONS = ("none", "silu", "swish")


@dataclass(frozen=True, slots=True)
class _Sizes:
    batch: int
    length: int
    heads: int
    groups: int
    key: int
    value: int

    @property
    def state(self) -> tuple[int, int, int, int]:
        return (self.batch, self.groups, self.key, self.value)


def _sizes(node: Node, query: Sequence[int], key: Sequence[int], value: Sequence[int]) -> _Sizes:
    """Heads and lengths from [batch, length, heads x features] of each. Raises Refuse."""
    groups = arguments.integer(node, "kv_num_heads", low=1, high=1 << 20)
    heads = arguments.integer(node, "q_num_heads", low=1, high=1 << 20)
    if any(len(shape) != 3 for shape in (query, key, value)) or heads % groups:
        raise Refuse("query, key and value must be of rank 3, in heads that divide")
    size = query[2] // heads
    fits = query[2] == size * heads and key[2] == size * groups and value[2] % groups == 0
    if not fits or not tuple(query[:2]) == tuple(key[:2]) == tuple(value[:2]):
        raise Refuse(f"{tuple(query)}, {tuple(key)} and {tuple(value)} don't fit each other")
    return _Sizes(query[0], query[1], heads, groups, size, value[2] // groups)


def _gates(node: Node) -> tuple[bool, bool]:
    """Whether the state decays, and whether what it holds already is taken off."""
    rule = arguments.text(node, "update_rule", "gated_delta", _RULES)
    return "gated" in rule, "delta" in rule


def _attention_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 3, 6, 2)
    query, key, value = (arguments.required(inputs, place) for place in range(3))
    past, decay, beta = (arguments.optional(inputs, place) for place in range(3, 6))
    arguments.one_of(query, arguments.FLOATS[:2], "query")
    arguments.same_dtype([query, key, value])
    sizes = _sizes(node, query.shape, key.shape, value.shape)
    gated, delta = _gates(node)
    if gated != (decay is not None) or delta != (beta is not None):
        raise Refuse("decay and beta don't fit update_rule")
    rows = (sizes.batch, sizes.length)
    for given, widths in (
        (decay, (sizes.groups, sizes.groups * sizes.key)),
        (beta, (sizes.groups, 1)),
    ):
        if given is not None:
            arguments.one_of(given, arguments.FLOATS[:2], "decay or beta")
            if given.shape not in [(*rows, width) for width in widths]:
                raise Refuse(f"a decay or beta of shape {given.shape} doesn't fit")
    if past is not None:
        arguments.one_of(past, arguments.FLOATS[:2], "past_state")
        if past.shape != sizes.state:
            raise Refuse(f"a past_state of shape {past.shape} where {sizes.state} belongs")
    arguments.number(node, "scale", 0.0)
    arguments.integer(node, "chunk_size", 64)
    output = arguments.tensor(query.dtype, (*rows, sizes.heads * sizes.value))
    kept = query.dtype if past is None else past.dtype
    types = [output, arguments.tensor(kept, sizes.state)]
    return [*types[: len(node.outputs)]]


def _attention_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """At each step: the state written and read (for a delta twice), its decay, the results."""
    shapes = [arguments.required(inputs, place).shape for place in range(3)]
    sizes = _sizes(node, *shapes)
    gated, delta = _gates(node)
    cells = sizes.batch * sizes.groups * sizes.key * sizes.value
    reads = cells * (sizes.heads // sizes.groups)
    decays = 0 if not gated else arguments.required(inputs, 4).tensor.elements
    return Work(
        macs=sizes.length * (reads + (cells if delta else 0)),
        elements=sizes.length * (2 * cells + (cells if gated else 0)) + 2 * outputs[0].elements,
        functions=decays,
    )


def _by_head(x: Array, heads: int) -> Array:
    """[batch, heads, length, features] in float32."""
    batch, length, features = x.shape
    split = x.reshape(batch, length, heads, features // heads)
    return split.transpose(0, 2, 1, 3).astype(np.float32)


@numerics.quiet
def _attention_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    query, key, value = (arguments.present(inputs, place) for place in range(3))
    past, decay, beta = (arguments.given(inputs, place) for place in range(3, 6))
    sizes = _sizes(node, query.shape, key.shape, value.shape)
    scale = arguments.number(node, "scale", 0.0) or 1.0 / math.sqrt(max(sizes.key, 1))
    q, k = _by_head(query, sizes.heads), _by_head(key, sizes.groups)
    v = _by_head(value, sizes.groups)
    shared = sizes.heads // sizes.groups
    state = np.zeros(sizes.state, np.float32) if past is None else past.astype(np.float32)
    powers = None if decay is None else numerics.exp(_by_head(decay, sizes.groups))
    rates = None if beta is None else _by_head(beta, beta.shape[2])
    outputs = np.zeros((sizes.batch, sizes.heads, sizes.length, sizes.value), np.float32)
    for step in range(sizes.length):
        keys, values = k[:, :, step], v[:, :, step]
        if powers is not None:
            state = state * powers[:, :, step, :, None]
        if rates is not None:
            held = numerics.matmul(keys[:, :, None, :], state)[:, :, 0]
            values = rates[:, :, step] * (values - held)
        state = state + keys[..., :, None] * values[..., None, :]
        read = np.repeat(state, shared, axis=1)
        outputs[:, :, step] = numerics.matmul(q[:, :, step, None], read)[:, :, 0]
    outputs = outputs * np.float32(scale)
    flat = outputs.transpose(0, 2, 1, 3).reshape(sizes.batch, sizes.length, -1)
    kept = query.dtype if past is None else past.dtype
    results = [np.array(flat.astype(query.dtype), order="C"), state.astype(kept)]
    return results[: len(node.outputs)]


register("LinearAttention", _attention_infer, _attention_run, _attention_work, since=27)


def _convolution_infer(
    node: Node, inputs: Sequence[Value | None], scope: Scope
) -> list[ValueType]:
    arguments.arity(node, inputs, 2, 4, 2)
    x, weight = arguments.required(inputs, 0), arguments.required(inputs, 1)
    bias, past = arguments.optional(inputs, 2), arguments.optional(inputs, 3)
    given = [value for value in (x, weight, bias, past) if value is not None]
    arguments.same_dtype(given)
    arguments.one_of(x, arguments.FLOATS, "input")
    if len(x.shape) != 3 or len(weight.shape) != 3:
        raise Refuse("input and weight must be of rank 3")
    batch, channels, _ = x.shape
    width = weight.shape[2]
    if weight.shape[:2] != (channels, 1) or width < 1:
        raise Refuse(f"a weight of shape {weight.shape} doesn't fit {x.shape}")
    if bias is not None and bias.shape != (channels,):
        raise Refuse(f"a bias of shape {bias.shape} doesn't fit {x.shape}")
    if past is not None and past.shape != (batch, channels, width - 1):
        raise Refuse(f"a past_state of shape {past.shape} doesn't fit {x.shape}")
    arguments.text(node, "activation", "none", _ACTIVATIONS)
    types = [x.tensor, arguments.tensor(x.dtype, (batch, channels, width - 1))]
    return [*types[: len(node.outputs)]]


def _convolution_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """A multiply-add for each weight and output, the bias, the activation."""
    count = outputs[0].elements
    active = node.attribute("activation", "none") != "none"
    width = arguments.required(inputs, 1).shape[2]
    return Work(macs=count * width, elements=3 * count, functions=count if active else 0)


@numerics.quiet
def _convolution_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    x, weight = arguments.present(inputs, 0), arguments.present(inputs, 1)
    bias, past = arguments.given(inputs, 2), arguments.given(inputs, 3)
    batch, channels, length = x.shape
    width = weight.shape[2]
    before = np.zeros((batch, channels, width - 1), x.dtype) if past is None else past
    padded = np.concatenate([before, x], axis=2)
    wide = np.dtype(np.float32) if x.dtype == np.float16 else x.dtype
    starts: Array = np.arange(length, dtype=np.int64)
    places = starts[:, None] + np.arange(width, dtype=np.int64)
    windows = padded.astype(wide)[:, :, places]
    result = numerics.matmul(windows, weight.astype(wide).swapaxes(1, 2))[..., 0]
    if bias is not None:
        result = result + bias.astype(wide)[:, None]
    result = result.astype(x.dtype)
    if arguments.text(node, "activation", "none", _ACTIVATIONS) != "none":
        # x times its sigmoid, float16 in float32.
        result = (result.astype(wide) * numerics.sigmoid(result.astype(wide))).astype(x.dtype)
    return [result, np.array(padded[:, :, length:], order="C")][: len(node.outputs)]


register("CausalConvWithState", _convolution_infer, _convolution_run, _convolution_work, since=27)

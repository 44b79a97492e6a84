"""Attention as two products with what lies between them, and rotary embedding. SHAPE-110"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synnergy.tensor.kernels.program import Builder, Operand, bits
from synnergy.tensor.kernels.steps import Step
from synnergy.tensor.lowering.elementwise import Binary, binary, converted, scalar
from synnergy.tensor.lowering.matmul import Axis, Factor, Product
from synnergy.tensor.lowering.registry import Site, lowers
from synnergy.tensor.lowering.walks import broadcast
from synnergy.tensor.operators import arguments, attention, rotary
from synnergy.tensor.operators.attention import Sizes

#: Memory of a thread for each key: its bias, its score and that in float64.
_SCRATCH = 16


@dataclass(frozen=True, slots=True, eq=False)
class Heads:
    """A matrix of tokens by features for each head of each of the batch, with its strides."""

    operand: Operand
    batch: int
    head: int
    token: int


def _heads(x: Operand, heads: int, size: int) -> Heads:
    """A tensor [batch, heads, tokens, size], or [batch, tokens, heads · size]."""
    if len(x.shape) == 4:
        return Heads(x, heads * x.shape[2] * size, x.shape[2] * size, size)
    return Heads(x, x.shape[1] * heads * size, size, heads * size)


def _scaled(builder: Builder, x: Operand, factor: float) -> Operand:
    wide = converted(builder, x, "float32")
    return binary(builder, Binary.MUL, wide, scalar(builder, "float32", factor))


def _joined(site: Site, past: Operand | None, x: Operand, sizes: Sizes, size: int) -> Operand:
    """Keys or values of the past and of x, [batch, groups, tokens, size]."""
    if past is None and not sizes.flat:
        return x
    result = site.builder.tensor(x.dtype, (sizes.batch, sizes.groups, sizes.total, size))
    shape = (sizes.batch, sizes.groups, sizes.past, sizes.keys, size * x.itemsize)
    site.builder.step(Step.JOIN_CACHE, result, past, x, *shape, int(sizes.flat))
    return result


def _product(
    site: Site, result: Heads, a: Heads, b: tuple[Heads, int, int], shape: tuple[int, int, int]
) -> None:
    """A product for each head; `b` with its row and column strides, `shape` is m, n, k."""
    sizes = attention_sizes(site)
    m, n, k = shape
    right, row, column = b
    shared = sizes.heads // sizes.groups
    axes = (
        Axis(sizes.batch, a.batch, right.batch, result.batch),
        Axis(sizes.groups, shared * a.head, right.head, shared * result.head),
        Axis(shared, a.head, 0, result.head),
    )
    factor = Factor(right.operand, k, n, row, column)
    product = Product(a.operand, factor, m, axes, a_row=a.token, c_row=result.token)
    product.into(site.builder, result.operand)


def attention_sizes(site: Site) -> Sizes:
    shapes = [None if operand is None else operand.shape for operand in site.inputs]
    return attention.sizes_of(site.node, shapes)


@lowers("Attention")
def lower_attention(site: Site) -> list[Operand] | None:
    q, k, v, mask, past_key, past_value, lengths = (*site.inputs, *[None] * 4)[:7]
    if q is None or k is None or v is None or q.dtype == "float64":
        return None
    node, builder, sizes = site.node, site.builder, attention_sizes(site)
    if 0 in (*sizes.scores, sizes.head, sizes.value):
        return None
    keys, values = k, v
    if past_key is not None or len(node.outputs) > 1:
        keys = _joined(site, past_key, k, sizes, sizes.head)
        values = _joined(site, past_value, v, sizes, sizes.value)
    factor = attention.scale_root(node, sizes)
    left = _heads(_scaled(builder, q, factor), sizes.heads, sizes.head)
    right = _heads(_scaled(builder, keys, factor), sizes.groups, sizes.head)
    raw = builder.tensor("float32", sizes.scores)
    scores = _heads(raw, sizes.heads, sizes.total)
    shape = (sizes.queries, sizes.total, sizes.head)
    _product(site, scores, left, (right, 1, right.token), shape)
    shares, shown = _shares(site, raw, mask, lengths, sizes)
    right = _heads(converted(builder, values, "float32"), sizes.groups, sizes.value)
    wide = builder.tensor("float32", site.outputs[0].shape)
    shape = (sizes.queries, sizes.value, sizes.total)
    result = _heads(wide, sizes.heads, sizes.value)
    _product(
        site, result, _heads(shares, sizes.heads, sizes.total), (right, right.token, 1), shape
    )
    results = [converted(builder, wide, q.dtype), keys, values]
    if len(node.outputs) > 3:
        results.append(converted(builder, shown, q.dtype))
    return results[: len(node.outputs)]


def _shares(
    site: Site, raw: Operand, mask: Operand | None, lengths: Operand | None, sizes: Sizes
) -> tuple[Operand, Operand]:
    """What of each value goes into each result, and the scores that the node shows."""
    node, builder = site.node, site.builder
    shares = builder.tensor("float32", sizes.scores)
    mode = arguments.integer(node, "qk_matmul_output_mode", 0)
    shown = builder.tensor("float32", sizes.scores) if mode in (1, 2) else None
    strides, width, floats = (0, 0, 0), 0, 0
    if mask is not None:
        floats = int(mask.dtype != "bool")
        mask = mask if not floats else converted(builder, mask, "float32")
        width = mask.shape[-1]
        strides = broadcast(mask.shape, (*sizes.scores[:3], width))[:3]
    head = (sizes.batch, sizes.heads, sizes.queries, sizes.total, *strides, width, floats)
    left, right = (
        arguments.integer(node, f"{side}_window_size", -1) for side in ("left", "right")
    )
    double = arguments.integer(node, "softmax_precision", 0) == attention.DOUBLE
    builder.step(
        Step.ATTENTION_SHARES,
        *(shares, raw, shown if mode == 1 else None, shown if mode == 2 else None),
        *(mask, lengths, *head, sizes.past, int(arguments.flag(node, "is_causal")), left, right),
        *(bits(float(np.float32(arguments.number(node, "softcap", 0.0)))), int(double)),
        builder.thread_scratch(_SCRATCH * sizes.total),
    )
    return shares, (shares if mode == 3 else raw if shown is None else shown)


@lowers("RotaryEmbedding")
def rotary_embedding(site: Site) -> list[Operand] | None:
    x, cosines, sines, positions = (*site.inputs, None)[:4]
    if x is None or cosines is None or sines is None or x.dtype == "float64" or not x.elements:
        return None
    node, builder = site.node, site.builder
    shapes = [operand.shape for operand in site.inputs if operand is not None]
    heads, turned = rotary.sizes_of(node, shapes)
    size = x.elements // (x.shape[0] * heads * (x.shape[1] if len(x.shape) == 3 else x.shape[2]))
    wide, cosines, sines = (converted(builder, each, "float32") for each in (x, cosines, sines))
    matrices = _heads(wide, heads, size)
    tokens = x.shape[1] if len(x.shape) == 3 else x.shape[2]
    result = builder.tensor("float32", x.shape)
    near = int(arguments.flag(node, "interleaved"))
    shape = (cosines.shape[0], x.shape[0], tokens, heads, size, turned, near)
    strides = (matrices.batch, matrices.token, matrices.head)
    builder.step(Step.ROTATE_F32, result, wide, cosines, sines, positions, *shape, *strides)
    return [converted(builder, result, x.dtype)]

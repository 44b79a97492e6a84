"""Matrix products and convolutions of 8-bit integers. SHAPE-101, SHAPE-103

Products of constant weights are packed once; what follows a product as exporters write it (a
conversion to float32, the scale, the bias, an activation) is done on the way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from synnergy.tensor.environment import quiet
from synnergy.tensor.kernels.program import Argument, Buffer, Builder, Operand
from synnergy.tensor.kernels.steps import Step
from synnergy.tensor.lowering.after import After, Layout, take_followers, words
from synnergy.tensor.lowering.convolution import Geometry, geometry_of
from synnergy.tensor.lowering.elementwise import Binary, binary, converted
from synnergy.tensor.lowering.registry import Site, lowers
from synnergy.tensor.lowering.walks import broadcast, collapse
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.windows import input_windows

#: What columns are padded to at most, and terms of a run: a vector and a word of any build.
_VECTOR, _WORD = 16, 4
#: Dimensions of a batch that a kernel can walk.
_MAX_DIMENSIONS = 8
#: Rows and columns of results that are held at once, at most.
_ROWS, _COLUMNS = 64, 48
#: Columns of an image's row that are formed at once.
_FORMED_COLUMNS = 1024
#: Filters of a group below which pixels lie in the lanes.
_FEW_FILTERS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Rescaled:
    """What makes 8 bits of a sum: a factor [rows or 1, columns or 1] and a zero point."""

    factor: Operand
    zero: Operand


def _up(size: int, step: int) -> int:
    return -(-size // step) * step


def _packed_bytes(columns: int, runs: int, terms: int) -> int:
    """Of one matrix: its columns' sums, then up to two bytes for each padded element."""
    wide = _up(columns, _VECTOR)
    return 4 * wide + 2 * runs * _up(terms, _WORD) * wide


def _packed(builder: Builder, b: Operand, count: int, size: int, walk: Sequence[int]) -> Buffer:
    """`count` matrices in the order kernels read them; made once where they are weights.

    walk: stride between matrices, columns, runs of a column, positions and channels of a run, and
    strides of columns, runs, positions and channels.
    """

    def pack(target: Builder, source: Operand, place: Buffer) -> None:
        target.step(Step.INT8_PACK, place, source, b.code, count, *walk, size)

    return builder.prepared(("int8", count, *walk), b, size * count, pack)


def _off_middle(builder: Builder, zero: Operand | None, dtype: str) -> Operand | None:
    """The zero points of a right operand, which kernels see less 128 where it is unsigned; None
    where none is left."""
    middle = 128 if dtype == "uint8" else 0
    if zero is None:
        return builder.constant(np.zeros(1, np.uint8)) if middle else None
    if zero.const is not None and bool(np.all(zero.const == middle)):
        return None
    return zero


def _single(operand: Operand | None) -> bool:
    return operand is None or operand.elements == 1


def _take_cast(site: Site) -> bool:
    """Take a following conversion of the int32 result to float32."""
    following = site.followers.next()
    if following is None:
        return False
    node, _, kind = following
    if node.domain or node.operator != "Cast" or kind.dtype != "float32":
        return False
    site.followers.take()
    return True


@quiet
def _factor(builder: Builder, left: Operand, right: Operand, down: Operand) -> Operand:
    """left * right / down, each rounded to float32. SHAPE-103"""
    if left.const is not None and right.const is not None and down.const is not None:
        scales = [each.astype(np.float32) for each in (left.const, right.const, down.const)]
        return builder.constant(np.asarray(scales[0] * scales[1] / scales[2]))
    wide = [converted(builder, each, "float32") for each in (left, right, down)]
    product = binary(builder, Binary.MUL, wide[0], wide[1])
    return binary(builder, Binary.DIV, product, wide[2])


@lowers("MatMulInteger")
def matmul_integer(site: Site) -> list[Operand] | None:
    a, b, a_zero, b_zero = (*site.inputs, None, None)[:4]
    if a is None or b is None:
        return None
    return _matmul(site, a, b, a_zero, b_zero, None)


@lowers("QLinearMatMul")
def qlinear_matmul(site: Site) -> list[Operand] | None:
    given = [operand for operand in site.inputs if operand is not None]
    if len(given) != 8:
        return None
    a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero = given
    left, down = (scale.reshaped((scale.elements, 1)) for scale in (a_scale, y_scale))
    right = b_scale.reshaped((1, b_scale.elements))
    return _matmul(site, a, b, a_zero, b_zero, (left, right, down, y_zero))


def _matmul(
    site: Site,
    a: Operand,
    b: Operand,
    a_zero: Operand | None,
    b_zero: Operand | None,
    scales: tuple[Operand, Operand, Operand, Operand] | None,
) -> list[Operand] | None:
    builder, shape = site.builder, site.outputs[0].shape
    left = a.reshaped((1, *a.shape)) if len(a.shape) == 1 else a
    right = b.reshaped((*b.shape, 1)) if len(b.shape) == 1 else b
    m, k, n = left.shape[-2], left.shape[-1], right.shape[-1]
    if not math.prod(shape):
        return [site.result()]
    outer = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    matrices, own = math.prod(left.shape[:-2]), math.prod(right.shape[:-2])
    strides = (broadcast(left.shape[:-2], outer), broadcast(right.shape[:-2], outer))
    sizes, (a_strides, b_strides) = collapse(outer, *strides)
    if len(sizes) > _MAX_DIMENSIONS:
        return None
    rows = matrices * m
    whole = own == 1 and matrices == math.prod(outer) and _single(a_zero)
    whole = whole and (scales is None or all(map(_single, (scales[0], scales[2], scales[3]))))
    if whole:  # one B for all of the batch: its rows are rows of one large A
        m, sizes, a_strides, b_strides = rows, (), (), ()
    rescaled = None if scales is None else Rescaled(_factor(builder, *scales[:3]), scales[3])
    dtype = site.outputs[0].dtype
    after: list[After] = []
    if rescaled is None and _take_cast(site):
        dtype = "float32"
        rank = len(outer)
        layout = Layout((*outer, left.shape[-2], n), (tuple(range(rank + 1)), (rank + 1,)))
        if whole and layout.shape == shape:
            after = take_followers(site.followers, builder, layout, shape)
    result = builder.tensor(dtype, shape)
    formed = builder.temporary(2 * rows * _up(k, _WORD))
    a_step, b_step = (int(not _single(zero)) for zero in (a_zero, b_zero))
    builder.step(
        *(Step.INT8_FORM_ROWS, formed, a, a.code, rows, k, a_zero, a_step, left.shape[-2]),
    )
    each = _packed_bytes(n, 1, k)
    packed = _packed(builder, b, own, each, (k * n, n, 1, 1, k, 1, 0, 0, n))
    b_zero = _off_middle(builder, b_zero, b.dtype)
    finish: list[Argument] = [None, 0, 0, None, 0]
    if rescaled is not None:
        high, wide = rescaled.factor.shape
        finish = [rescaled.factor, wide if high > 1 else 0, int(wide > 1), rescaled.zero]
        finish.append(int(not _single(rescaled.zero)))
    batch = [word for axis in zip(sizes, a_strides, b_strides, strict=True) for word in axis]
    builder.step(
        *(Step.INT8_MATMUL, result, formed, packed, a_zero, a.code, a_step),
        *(b_zero, b.code, b_step, m, n, k, result.code, *finish),
        *(each, len(sizes), len(after), *batch, *words(after)),
    )
    return [result]


@lowers("ConvInteger")
def conv_integer(site: Site) -> list[Operand] | None:
    x, weights, x_zero, w_zero = (*site.inputs, None, None)[:4]
    if x is None or weights is None:
        return None
    return _conv(site, x, weights, x_zero, w_zero, None, None)


@lowers("QLinearConv")
def qlinear_conv(site: Site) -> list[Operand] | None:
    given = [operand for operand in site.inputs[:8] if operand is not None]
    if len(given) != 8:
        return None
    bias = site.inputs[8] if len(site.inputs) > 8 else None
    x, x_scale, x_zero, weights, w_scale, w_zero, y_scale, y_zero = given
    single = [scale.reshaped((1,)) for scale in (x_scale, y_scale)]
    factor = _factor(site.builder, single[0], w_scale.reshaped((w_scale.elements,)), single[1])
    return _conv(site, x, weights, x_zero, w_zero, Rescaled(factor, y_zero), bias)


def _conv(
    site: Site,
    x: Operand,
    weights: Operand,
    x_zero: Operand | None,
    w_zero: Operand | None,
    rescaled: Rescaled | None,
    bias: Operand | None,
) -> list[Operand] | None:
    node, builder, shape = site.node, site.builder, site.outputs[0].shape
    if not math.prod(shape):
        return [site.result()]
    groups = arguments.integer(node, "group", 1)
    windows = input_windows(node, x.shape, weights.shape[2:])
    geometry = geometry_of(windows, shape[0], x.shape[2:], groups, x.shape[1], shape[1])
    dtype, after = site.outputs[0].dtype, list[After]()
    if rescaled is None and _take_cast(site):
        dtype = "float32"
        layout = Layout(shape, ((0,), (1,), tuple(range(2, len(shape)))))
        after = take_followers(site.followers, builder, layout, shape)
    result = builder.tensor(dtype, shape)
    line = geometry.reach[2] * geometry.channels
    reach = geometry.reach
    elements = geometry.images * groups * math.prod(reach[:2]) * line
    formed = builder.temporary(2 * (elements + _VECTOR * geometry.strides[2] * geometry.channels))
    chunk = min(reach[2], _FORMED_COLUMNS) * geometry.channels
    builder.step(
        *(Step.INT8_FORM_WINDOWS, formed, x, x.code, x_zero, builder.thread_scratch(chunk)),
        *(*reach, *geometry.words()),
    )
    by_planes = geometry.filters < _FEW_FILTERS
    packed = weights if by_planes else _packed_weights(builder, weights, geometry)
    w_step = int(not _single(w_zero))
    w_zero = _off_middle(builder, w_zero, weights.dtype)
    factor = None if rescaled is None else rescaled.factor
    zero = None if rescaled is None else rescaled.zero
    scratch = 12 * geometry.terms + 8 * _ROWS * _COLUMNS
    builder.step(
        Step.INT8_CONV_PLANES if by_planes else Step.INT8_CONV,
        *(result, formed, packed, x_zero, x.code, w_zero, weights.code, w_step, bias),
        *(result.code, factor, zero, int(not _single(factor)), builder.thread_scratch(scratch)),
        *(*reach, *geometry.words(), len(after), *words(after)),
    )
    return [result]


def _packed_weights(builder: Builder, weights: Operand, geometry: Geometry) -> Buffer:
    """A run is a row of the kernel with all channels, or one element of it where it is dilated."""
    size, row = math.prod(geometry.kernel), geometry.kernel[2]
    channels, filters, terms = geometry.channels, geometry.filters, geometry.terms
    if geometry.dilations[2] > 1:
        row = 1
    each = _packed_bytes(filters, size // row, row * channels)
    walk = (filters * terms, filters, size // row, row, channels, terms, row, 1, size)
    return _packed(builder, weights, geometry.groups, each, walk)

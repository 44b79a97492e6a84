"""Elements moved as they are: order, place, repetition. SHAPE-3, SHAPE-20 to SHAPE-38"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from synnergy.tensor.kernels.program import ALIGNMENT, Builder, Operand
from synnergy.tensor.kernels.steps import Step
from synnergy.tensor.lowering.elementwise import Binary, converted
from synnergy.tensor.lowering.registry import Site, lowers
from synnergy.tensor.lowering.walks import Strides, broadcast, collapse, contiguous, walk
from synnergy.tensor.operators import arguments, indexing, padding, reshape


def part_of(x: Operand, shape: tuple[int, ...], offset: int) -> Operand:
    """A tensor that lies in another, from its element `offset` on, without gaps."""
    return Operand(x.dtype, shape, x.buffer, x.offset + offset * x.itemsize)


def copy(
    builder: Builder,
    result: Operand,
    x: Operand,
    sizes: Sequence[int],
    into: Strides,
    out_of: Strides,
    places: tuple[int, int] = (0, 0),
) -> None:
    """Copy elements of x at strides to elements of the result at strides, from `places` on.

    Axes may be gone through in any order: so that the result is written in order, and x read in
    order where one of its axes lies close and isn't the last.
    """
    if not math.prod(sizes):
        return
    kept = [axis for axis, size in enumerate(sizes) if size != 1]
    kept.sort(key=lambda axis: -into[axis])
    collapsed, (to, source) = collapse(
        [sizes[axis] for axis in kept],
        tuple(into[axis] for axis in kept),
        tuple(out_of[axis] for axis in kept),
    )
    close = [axis for axis, stride in enumerate(source[:-1]) if stride == 1]
    if close and to[-1] == 1 and source[-1] not in (0, 1):
        order = [axis for axis in range(len(to) - 1) if axis != close[0]]
        order += [close[0], len(to) - 1]
        collapsed, to, source = (
            tuple(each[axis] for axis in order) for each in (collapsed, to, source)
        )
    first, second = part_of(result, (), places[0]), part_of(x, (), places[1])
    builder.step(Step.COPY, x.itemsize, first, second, len(collapsed), *collapsed, *to, *source)


def rearranged(
    site: Site, x: Operand, sizes: Sequence[int], strides: Strides, offset: int = 0
) -> Operand:
    """The result that goes through x at strides in row-major order: x itself where it lies so."""
    shape = site.outputs[0].shape
    _, (own, wanted) = collapse(sizes, contiguous(sizes), strides)
    if own == wanted and offset * x.itemsize % ALIGNMENT == 0:
        return part_of(x, shape, offset) if offset else x.reshaped(shape)
    result = site.result()
    copy(site.builder, result, x, sizes, contiguous(sizes), strides, (0, offset))
    return result


@lowers("Transpose")
def transpose(site: Site) -> list[Operand] | None:
    x = site.inputs[0]
    if x is None:
        return None
    order = reshape.permutation(site.node, len(x.shape))
    strides = contiguous(x.shape)
    sizes = [x.shape[axis] for axis in order]
    return [rearranged(site, x, sizes, tuple(strides[axis] for axis in order))]


@lowers("DepthToSpace", "SpaceToDepth")
def blocks(site: Site) -> list[Operand] | None:
    x = site.inputs[0]
    if x is None:
        return None
    sizes, order = reshape.blocks(site.node, x.shape)
    strides = contiguous(sizes)
    moved = tuple(strides[axis] for axis in order)
    return [rearranged(site, x, [sizes[axis] for axis in order], moved)]


@lowers("Expand")
def expand(site: Site) -> list[Operand] | None:
    x = site.inputs[0]
    if x is None:
        return None
    shape = site.outputs[0].shape
    return [rearranged(site, x, shape, broadcast(x.shape, shape))]


@lowers("Tile")
def tile(site: Site) -> list[Operand] | None:
    x = site.inputs[0]
    if x is None:
        return None
    sizes: list[int] = []
    strides: list[int] = []
    results = zip(site.outputs[0].shape, x.shape, contiguous(x.shape), strict=True)
    for wanted, size, stride in results:
        sizes += (wanted // size if size else 0, size)
        strides += (0, stride)
    return [rearranged(site, x, sizes, tuple(strides))]


@lowers("Slice")
def slices(site: Site) -> list[Operand] | None:
    x = site.inputs[0]
    if x is None:
        return None
    bounds: list[tuple[int, ...] | None] = []
    for operand in site.inputs[1:]:
        if operand is not None and operand.const is None:
            return None
        bounds.append(None if operand is None else _integers(operand))
    cuts = indexing.slices_of(site.node, x.shape, bounds)
    shape = site.outputs[0].shape
    if 0 in shape:
        return [site.result()]
    strides = contiguous(x.shape)
    begins = [cut.indices(size)[0] for cut, size in zip(cuts, x.shape, strict=True)]
    offset = sum(begin * stride for begin, stride in zip(begins, strides, strict=True))
    steps = [
        stride * cut.indices(size)[2]
        for cut, size, stride in zip(cuts, x.shape, strides, strict=True)
    ]
    return [rearranged(site, x, shape, tuple(steps), offset)]


def _integers(operand: Operand) -> tuple[int, ...]:
    return tuple(int(item) for item in np.asarray(operand.const).reshape(-1))


@lowers("Split")
def split(site: Site) -> list[Operand] | None:
    x = site.inputs[0]
    if x is None:
        return None
    axis = arguments.axis_of(arguments.integer(site.node, "axis", 0), len(x.shape))
    strides = contiguous(x.shape)
    results: list[Operand] = []
    begin = 0
    for position, kind in enumerate(site.outputs):
        offset = begin * strides[axis]
        begin += kind.shape[axis]
        if math.prod(x.shape[:axis]) == 1 and offset * x.itemsize % ALIGNMENT == 0:
            results.append(part_of(x, kind.shape, offset))
            continue
        result = site.result(position)
        copy(site.builder, result, x, kind.shape, contiguous(kind.shape), strides, (0, offset))
        results.append(result)
    return results


@lowers("Concat")
def concat(site: Site) -> list[Operand] | None:
    parts = [part for part in site.inputs if part is not None]
    axis = arguments.axis_of(arguments.integer(site.node, "axis"), len(parts[0].shape))
    if len(parts) == 1:
        return [parts[0]]
    result = site.result()
    strides = contiguous(result.shape)
    begin = 0
    for part in parts:
        places = (begin * strides[axis], 0)
        copy(site.builder, result, part, part.shape, strides, contiguous(part.shape), places)
        begin += part.shape[axis]
    return [result]


@lowers("Pad")
def pad(site: Site) -> list[Operand] | None:
    """A frame of the value with the tensor in it, or a gather for each axis that grows."""
    x, node, builder = site.inputs[0], site.node, site.builder
    if x is None or any(
        operand is not None and operand.const is None
        for operand in (*site.inputs[1:2], *site.inputs[3:])
    ):
        return None
    amounts, mode = padding.amounts_of(node, len(x.shape), *_pad_inputs(site))
    shape, sizes = (
        site.outputs[0].shape,
        [
            size + min(before, 0) + min(after, 0)
            for size, (before, after) in zip(x.shape, amounts, strict=True)
        ],
    )
    strides = contiguous(x.shape)
    offset = sum(
        max(-before, 0) * stride for (before, _), stride in zip(amounts, strides, strict=True)
    )
    if mode == "constant":
        result = site.result()
        fill = (*site.inputs, None, None)[2]
        if fill is None or node.opset < 11:
            value = arguments.number(node, "value", 0.0) if node.opset < 11 else 0
            fill = builder.constant(np.asarray(value).astype(x.dtype))
        into = contiguous(shape)
        if tuple(sizes) != shape:
            copy(builder, result, fill, shape, into, (0,) * len(shape))
        place = sum(max(before, 0) * step for (before, _), step in zip(amounts, into, strict=True))
        copy(builder, result, x, sizes, into, strides, (place, offset))
        return [result]
    result = builder.tensor(x.dtype, tuple(sizes))
    copy(builder, result, x, sizes, contiguous(sizes), strides, (0, offset))
    for axis, (before, after) in enumerate(amounts):
        if before > 0 or after > 0:
            grow = (max(before, 0), max(after, 0))
            sources = padding.sources(mode, result.shape[axis], *grow)
            result = gathered(builder, result, builder.constant(sources), axis)
    return [result]


def _pad_inputs(site: Site) -> tuple[tuple[int, ...] | None, tuple[int, ...] | None]:
    pads, _, axes = (*site.inputs[1:], None, None, None)[:3]
    return (
        None if pads is None else _integers(pads),
        None if axes is None else _integers(axes),
    )


def gathered(builder: Builder, data: Operand, indices: Operand, axis: int) -> Operand:
    """data's slices along an axis, at int32 or int64 indices of any shape. SHAPE-31"""
    outer, inner = data.shape[:axis], data.shape[axis + 1 :]
    result = builder.tensor(data.dtype, (*outer, *indices.shape, *inner))
    if result.elements:
        builder.step(
            *(Step.GATHER, result, data, indices, indices.code, math.prod(outer)),
            *(data.shape[axis], indices.elements, math.prod(inner) * data.itemsize),
        )
    return result


def _data_and_indices(site: Site) -> tuple[Operand, Operand] | None:
    """The two, where no axis of the data is empty: then no index at all is right."""
    data, indices = site.inputs[:2]
    if data is None or indices is None or not data.elements:
        return None
    return data, indices


@lowers("Gather")
def gather(site: Site) -> list[Operand] | None:
    both = _data_and_indices(site)
    if both is None:
        return None
    axis = arguments.axis_of(arguments.integer(site.node, "axis", 0), len(both[0].shape))
    return [gathered(site.builder, *both, axis)]


def _along(data: Operand, indices: Operand, axis: int) -> tuple[int, int, list[int]]:
    """Elements of the axis, its stride, and the walk of the others over the indices' sizes."""
    strides = list(contiguous(data.shape))
    stride, strides[axis] = strides[axis], 0
    return data.shape[axis], stride, walk(indices.shape, tuple(strides))


@lowers("GatherElements")
def gather_elements(site: Site) -> list[Operand] | None:
    both = _data_and_indices(site)
    if both is None:
        return None
    data, indices = both
    axis = arguments.axis_of(arguments.integer(site.node, "axis", 0), len(data.shape))
    result = site.result()
    size, stride, steps = _along(data, indices, axis)
    if result.elements:
        site.builder.step(
            *(Step.GATHER_ELEMENTS, data.itemsize, result, data, indices, indices.code),
            *(size, stride, *steps),
        )
    return [result]


@lowers("GatherND")
def gather_nd(site: Site) -> list[Operand] | None:
    both = _data_and_indices(site)
    if both is None:
        return None
    data, indices = both
    node = site.node
    batch = arguments.integer(node, "batch_dims", 0) if node.opset >= 12 else 0
    depth, slices = indices.shape[-1], math.prod(indices.shape[:-1])
    inner = math.prod(data.shape[batch + depth :])
    result = site.result()
    if result.elements:
        batches = math.prod(data.shape[:batch])
        site.builder.step(
            *(Step.GATHER_ND, result, data, indices, indices.code, slices, slices // batches),
            *(math.prod(data.shape[batch:]) // inner, inner * data.itemsize, depth),
            *data.shape[batch : batch + depth],
        )
    return [result]


_MEETINGS = {"add": Binary.ADD, "mul": Binary.MUL, "min": Binary.MIN, "max": Binary.MAX}


@lowers("Scatter", "ScatterElements", "ScatterND")
def scatter(site: Site) -> list[Operand] | None:
    both = _data_and_indices(site)
    updates = site.inputs[2]
    if both is None or updates is None:
        return None
    data, indices = both
    reduction = str(site.node.attribute("reduction", "none"))
    if reduction != "none" and data.dtype == "float16":
        return None
    result = site.builder.tensor(data.dtype, data.shape)
    plain = contiguous(data.shape)
    copy(site.builder, result, data, data.shape, plain, plain)
    if not updates.elements:
        return [result]
    meeting = _MEETINGS.get(reduction)
    given = (data.itemsize, result, indices, indices.code, updates, meeting, data.code)
    if site.node.operator == "ScatterND":
        depth = indices.shape[-1]
        inner = math.prod(data.shape[depth:])
        count = indices.elements // depth
        site.builder.step(Step.SCATTER_ND, *given, count, inner, depth, *data.shape[:depth])
    else:
        axis = arguments.axis_of(arguments.integer(site.node, "axis", 0), len(data.shape))
        size, stride, steps = _along(data, indices, axis)
        site.builder.step(Step.SCATTER_ELEMENTS, *given, size, stride, *steps)
    return [result]


@lowers("Trilu")
def triangle(site: Site) -> list[Operand] | None:
    x, diagonal = (*site.inputs, None)[:2]
    if x is None:
        return None
    result = site.result()
    if result.elements:
        rows, columns = x.shape[-2:]
        upper = int(arguments.flag(site.node, "upper", True))
        matrices = x.elements // (rows * columns)
        site.builder.step(
            *(Step.TRIANGLE, x.itemsize, result, x, matrices, rows, columns, upper, diagonal)
        )
    return [result]


@lowers("OneHot")
def one_hot(site: Site) -> list[Operand] | None:
    indices, depth, values = site.inputs
    if indices is None or depth is None or depth.const is None or values is None:
        return None
    floats = indices.dtype.startswith("float") or indices.dtype == "uint64"
    result = site.result()
    if result.elements:
        axis = arguments.axis_of(arguments.integer(site.node, "axis", -1), len(result.shape))
        whole = converted(site.builder, indices, "float64" if floats else "int64")
        site.builder.step(
            *(Step.ONE_HOT, result, values.itemsize, values, whole, int(floats)),
            *(math.prod(result.shape[:axis]), result.shape[axis]),
            math.prod(result.shape[axis + 1 :]),
        )
    return [result]


@lowers("ReverseSequence")
def reverse_sequence(site: Site) -> list[Operand] | None:
    x, lengths = site.inputs
    if x is None or lengths is None:
        return None
    result = site.result()
    if result.elements:
        time_first = arguments.integer(site.node, "time_axis", 0) == 0
        steps, sequences = x.shape[:2] if time_first else (x.shape[1], x.shape[0])
        inner = math.prod(x.shape[2:]) * x.itemsize
        site.builder.step(
            *(Step.REVERSE_SEQUENCE, inner, result, x, lengths, steps, sequences),
            int(time_first),
        )
    return [result]

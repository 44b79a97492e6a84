"""Images put together: Col2Im, MaxUnpool, CenterCropPad. SHAPE-23, SHAPE-27, SHAPE-28"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from synnergy.tensor import numerics
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import Array, Node, Refuse, Value, ValueType


def _spatial(node: Node, name: str, rank: int, default: int, low: int) -> tuple[int, ...]:
    """A list attribute with an int for each spatial axis."""
    listed = arguments.integers(node, name) or (default,) * rank
    if len(listed) != rank or any(not low <= item <= 1 << 28 for item in listed):
        raise Refuse(f"attribute {name} is {listed[:8]} for {rank} axes")
    return listed


# Col2Im: blocks are added into the image, one element of the block after another. SHAPE-27


def _blocks(node: Node, image: Sequence[int], block: Sequence[int]) -> list[list[int]]:
    """(start, step, dilation, count) of the blocks along each axis. Raises Refuse."""
    rank = len(image)
    if len(block) != rank or rank == 0 or min((*image, *block)) < 1:
        raise Refuse(f"blocks of shape {tuple(block)} don't fit an image of {tuple(image)}")
    dilations = _spatial(node, "dilations", rank, 1, 1)
    strides = _spatial(node, "strides", rank, 1, 1)
    pads = _spatial(node, "pads", 2 * rank, 0, 0)
    result: list[list[int]] = []
    for axis in range(rank):
        room = image[axis] + pads[axis] + pads[axis + rank] - dilations[axis] * (block[axis] - 1)
        if room < 1:
            raise Refuse(f"blocks of shape {tuple(block)} don't fit an image of {tuple(image)}")
        count = (room - 1) // strides[axis] + 1
        result.append([-pads[axis], strides[axis], dilations[axis], count])
    return result


def _col2im_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 3, 3)
    x = arguments.required(inputs, 0)
    arguments.one_of(x, arguments.NUMBERS, "the input")
    image = arguments.known_integers(arguments.required(inputs, 1), "image_shape")
    block = arguments.known_integers(arguments.required(inputs, 2), "block_shape")
    blocks = _blocks(node, image, block)
    each = math.prod(block)
    if len(x.shape) != 3 or x.shape[1] % each:
        raise Refuse(f"an input of shape {x.shape} for blocks of {each} elements")
    if x.shape[2] != math.prod(count for *_, count in blocks):
        raise Refuse(f"{x.shape[2]} blocks don't cover an image of {image}")
    return [arguments.tensor(x.dtype, (x.shape[0], x.shape[1] // each, *image))]


@numerics.quiet
def _col2im_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    x = arguments.present(inputs, 0)
    image, block = (
        [int(size) for size in arguments.present(inputs, position).reshape(-1)]
        for position in (1, 2)
    )
    blocks = _blocks(node, image, block)
    wide = np.dtype(np.float32) if x.dtype == np.float16 else x.dtype
    channels = x.shape[1] // math.prod(block)
    counts = [count for *_, count in blocks]
    parts = x.astype(wide).reshape(x.shape[0], channels, math.prod(block), *counts)
    result = np.zeros((x.shape[0], channels, *image), wide)
    for index, place in enumerate(itertools.product(*(range(size) for size in block))):
        target: list[slice] = []
        source: list[slice] = []
        for (start, step, dilation, count), offset, size in zip(blocks, place, image, strict=True):
            first = start + offset * dilation
            skipped = max(-(first // step), 0) if first < 0 else 0
            begin = first + skipped * step
            fits = min(count - skipped, max(-((begin - size) // step), 0))
            target.append(slice(begin, begin + max(fits, 0) * step, step))
            source.append(slice(skipped, skipped + max(fits, 0)))
        result[(..., *target)] += parts[(slice(None), slice(None), index, *source)]
    return [result.astype(x.dtype)]


register("Col2Im", _col2im_infer, _col2im_run, since=18)


# MaxUnpool: elements go back to their places, +0 elsewhere. SHAPE-28


def _pooled(node: Node, shape: Sequence[int]) -> tuple[int, ...]:
    """The shape from which the pooling came."""
    rank = len(shape) - 2
    if rank < 1:
        raise Refuse(f"an input of rank {len(shape)}")
    kernel = arguments.integers(node, "kernel_shape")
    if kernel is None or len(kernel) != rank or min(kernel) < 1:
        raise Refuse(f"attribute kernel_shape is {kernel}")
    strides = _spatial(node, "strides", rank, 1, 1)
    pads = _spatial(node, "pads", 2 * rank, 0, 0)
    sizes = [
        (shape[axis + 2] - 1) * strides[axis] - pads[axis] - pads[axis + rank] + kernel[axis]
        for axis in range(rank)
    ]
    return (*shape[:2], *sizes)


def _unpool_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 2, 3)
    x, indices = arguments.required(inputs, 0), arguments.required(inputs, 1)
    wanted = arguments.optional(inputs, 2)
    arguments.one_of(x, arguments.FLOATS, "X")
    arguments.one_of(indices, ("int64",), "I")
    if indices.shape != x.shape:
        raise Refuse(f"indices of shape {indices.shape} for elements of shape {x.shape}")
    inner = arguments.tensor(x.dtype, _pooled(node, x.shape))
    if wanted is None:
        return [inner]
    shape = arguments.known_integers(wanted, "output_shape")
    if len(shape) != len(x.shape) or any(
        size < least for size, least in zip(shape, inner.shape, strict=True)
    ):
        raise Refuse(f"output_shape {shape} is smaller than {inner.shape}")
    return [arguments.tensor(x.dtype, shape)]


def _unpool_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    x, indices = arguments.present(inputs, 0), arguments.present(inputs, 1)
    wanted = arguments.given(inputs, 2)
    inner = np.zeros(_pooled(node, x.shape), x.dtype)
    places = arguments.checked_indices(indices.reshape(-1), inner.size)
    inner.reshape(-1)[places] = x.reshape(-1)
    if wanted is None:
        return [inner]
    result = np.zeros([int(size) for size in wanted.reshape(-1)], x.dtype)
    result[tuple(slice(0, size) for size in inner.shape)] = inner
    return [result]


register("MaxUnpool", _unpool_infer, _unpool_run, since=9)


# CenterCropPad. SHAPE-23


def _centred(node: Node, shape: Sequence[int], wanted: Sequence[int]) -> list[int]:
    axes = arguments.integers(node, "axes")
    named = arguments.axes_of(range(len(shape)) if axes is None else axes, len(shape))
    if len(named) != len(wanted):
        raise Refuse(f"{len(wanted)} sizes for {len(named)} axes")
    result = list(shape)
    for axis, size in zip(named, wanted, strict=True):
        result[axis] = size
    return result


def _crop_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 2, 2)
    data = arguments.required(inputs, 0)
    if data.dtype == "string":
        raise Refuse("strings can't be padded with zero")
    wanted = arguments.known_integers(arguments.required(inputs, 1), "shape")
    return [arguments.tensor(data.dtype, _centred(node, data.shape, wanted))]


def _crop_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    data = arguments.present(inputs, 0)
    wanted = [int(size) for size in arguments.present(inputs, 1).reshape(-1)]
    shape = _centred(node, data.shape, wanted)
    result = np.zeros(shape, data.dtype)
    target: list[slice] = []
    source: list[slice] = []
    for old, new in zip(data.shape, shape, strict=True):
        kept = min(old, new)
        source.append(slice((old - kept) // 2, (old - kept) // 2 + kept))
        target.append(slice((new - kept) // 2, (new - kept) // 2 + kept))
    result[tuple(target)] = data[tuple(source)]
    return [result]


register("CenterCropPad", _crop_infer, _crop_run, arguments.move_work, since=18)

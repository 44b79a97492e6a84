"""Conv and ConvTranspose over one to three spatial axes.

TENSOR-17: a convolution is the product of the weights [filters, channel row column] with the
patches in the same order, summed by TENSOR-10, and the bias is added last. A transposed one is
the product of the transposed weights with the input, whose terms are added into the output from
+0, one kernel element after another in row-major order, and the bias is added last.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided

from synnergy.tensor import numerics
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.operators.windows import (
    Sizes,
    Windows,
    extents,
    input_windows,
    pad_spatial,
    slices,
    spatial_attribute,
    spatial_shape,
)
from synnergy.tensor.types import Array, Node, Refuse, Value, ValueType, Work

# Elements of the patches that are laid out at once.
_PATCHES = 1 << 22


def _groups(node: Node, channels: int) -> int:
    groups = arguments.integer(node, "group", 1, 1, 1 << 24)
    if channels % groups:
        raise Refuse(f"{channels} channels don't divide into {groups} groups")
    return groups


def _check_operands(node: Node, inputs: Sequence[Value | None]) -> tuple[Value, Value]:
    """Input and weights of one float type and rank; the kernel_shape attribute agrees."""
    arguments.arity(node, inputs, 2, 3)
    x, weights = arguments.required(inputs, 0), arguments.required(inputs, 1)
    arguments.same_dtype([x, weights])
    arguments.one_of(x, arguments.FLOATS, "an input")
    spatial_shape(x.shape)
    if len(weights.shape) != len(x.shape):
        raise Refuse(f"weights of shape {list(weights.shape)} don't fit {list(x.shape)}")
    declared = arguments.integers(node, "kernel_shape")
    if declared and declared != weights.shape[2:]:
        raise Refuse(f"kernel_shape {list(declared)} isn't that of its weights")
    return x, weights


def _check_bias(inputs: Sequence[Value | None], filters: int) -> None:
    bias = arguments.optional(inputs, 2)
    if bias is not None:
        arguments.same_dtype([arguments.required(inputs, 0), bias])
        if bias.shape != (filters,):
            raise Refuse(f"a bias of shape {list(bias.shape)} doesn't fit {filters} filters")


def _conv_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    x, weights = _check_operands(node, inputs)
    groups = _groups(node, x.shape[1])
    filters = weights.shape[0]
    if weights.shape[1] != x.shape[1] // groups or filters % groups:
        raise Refuse(
            f"weights of shape {list(weights.shape)} don't fit {x.shape[1]} channels"
            f" in {groups} groups"
        )
    _check_bias(inputs, filters)
    windows = input_windows(node, x.shape, weights.shape[2:])
    return [arguments.tensor(x.dtype, (x.shape[0], filters, *windows.output))]


def _conv_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """A multiply-add for each term of each output, three times as dear with one channel a group;
    the input is read, each patch laid out once for a group's filters of many channels, outputs
    written and biased."""
    x, weights = arguments.required(inputs, 0), arguments.required(inputs, 1)
    terms = math.prod(weights.shape[1:])
    groups = _groups(node, x.shape[1])
    output = outputs[0].elements
    single = weights.shape[1] == 1 and groups > 1
    patches = 0 if single else output // max(weights.shape[0], 1) * terms * groups
    padded = input_windows(node, x.shape, weights.shape[2:]).padded(x.shape[2:])
    elements = patches + 2 * output + padded * x.shape[0] * x.shape[1]
    return Work(macs=output * terms * (3 if single else 1), elements=elements)


def _conv_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    x, weights = arguments.present(inputs, 0), arguments.present(inputs, 1)
    windows = input_windows(node, x.shape, weights.shape[2:])
    groups = _groups(node, x.shape[1])
    padded = pad_spatial(x, windows, 0)
    filters = weights.shape[0]
    result = np.empty((x.shape[0], filters, *windows.output), x.dtype)
    channels, each = weights.shape[1], filters // groups
    for image in range(x.shape[0]):
        for group in range(groups):
            _convolve(
                result[image, group * each : (group + 1) * each],
                padded[image, group * channels : (group + 1) * channels],
                weights[group * each : (group + 1) * each],
                windows,
            )
    return [_add_bias(result, arguments.given(inputs, 2))]


def _convolve(result: Array, image: Array, weights: Array, windows: Windows) -> None:
    """One image and group: `result` [filters, out…] from a padded `image` [channels, …]."""
    if not result.size:
        return
    spatial_strides = image.strides[1:]
    pairs = list(zip(spatial_strides, windows.dilations, windows.strides, strict=True))
    patches = as_strided(
        image,
        (image.shape[0], *windows.kernel, *windows.output),
        (
            image.strides[0],
            *(step * dilation for step, dilation, _ in pairs),
            *(step * stride for step, _, stride in pairs),
        ),
        writeable=False,
    )
    flat = weights.reshape(weights.shape[0], -1)
    first = 1 + len(windows.kernel)  # the first output axis of the patches
    row_elements = flat.shape[1] * (result[0].size // windows.output[0])
    rows = max(1, _PATCHES // max(row_elements, 1))
    for row in range(0, windows.output[0], rows):
        part = patches[(slice(None),) * first + (slice(row, row + rows),)]
        product = numerics.matmul(flat, part.reshape(flat.shape[1], -1))
        target = result[:, row : row + rows]
        target[...] = product.reshape(target.shape)


def _add_bias(result: Array, bias: Array | None) -> Array:
    if bias is None:
        return result
    return result + bias.reshape(1, -1, *(1,) * (result.ndim - 2))


@dataclass(frozen=True, slots=True)
class Transposed:
    """Geometry of a transposed convolution: what is cropped off the full result."""

    strides: Sizes
    dilations: Sizes
    before: Sizes
    output: Sizes
    full: Sizes


def transposed(node: Node, spatial: Sizes, kernel: Sizes) -> Transposed:
    """ONNX's formulas for ConvTranspose's output and padding. Raises Refuse."""
    rank = len(spatial)
    strides = spatial_attribute(node, "strides", rank, 1, 1)
    dilations = spatial_attribute(node, "dilations", rank, 1, 1)
    extra = spatial_attribute(node, "output_padding", rank, 0, 0)
    pads = spatial_attribute(node, "pads", 2 * rank, 0, 0)
    auto = arguments.text(
        node, "auto_pad", "NOTSET", ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
    )
    if min(kernel) < 1 or min(spatial) < 1:
        raise Refuse("a transposed convolution of nothing")
    reach = extents(kernel, dilations)
    bare = tuple(
        stride * (size - 1) + far
        for stride, size, far in zip(strides, spatial, reach, strict=True)
    )
    full = tuple(size + more for size, more in zip(bare, extra, strict=True))

    def cropping(before: Sizes, output: Sizes) -> Transposed:
        """The buffer must hold every term and everything that is cropped out of it."""
        reached = zip(bare, before, output, strict=True)
        whole = tuple(max(size, first + out) for size, first, out in reached)
        return Transposed(strides, dilations, before, output, whole)

    wanted = arguments.integers(node, "output_shape")
    if wanted:
        output = wanted[-rank:]
        if len(output) != rank:
            raise Refuse(f"attribute output_shape doesn't hold {rank} numbers")
    elif auto.startswith("SAME"):
        output = tuple(size * stride for size, stride in zip(spatial, strides, strict=True))
    elif auto == "VALID":
        return cropping((0,) * rank, full)
    else:
        cropped = zip(full, pads[:rank], pads[rank:], strict=True)
        output = tuple(size - before - after for size, before, after in cropped)
        if min(output) < 1:
            raise Refuse(f"padding leaves an output of shape {list(output)}")
        return cropping(pads[:rank], output)
    totals = [max(size - out, 0) for size, out in zip(full, output, strict=True)]
    if min(output) < 1 or max(output) > arguments.ELEMENT_LIMIT:
        raise Refuse(f"an output of shape {list(output)} isn't possible")
    if auto == "SAME_UPPER":
        return cropping(tuple(total // 2 for total in totals), output)
    return cropping(tuple(total - total // 2 for total in totals), output)


def _transpose_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    x, weights = _check_operands(node, inputs)
    groups = _groups(node, x.shape[1])
    if weights.shape[0] != x.shape[1]:
        raise Refuse(f"weights of shape {list(weights.shape)} don't fit {x.shape[1]} channels")
    filters = weights.shape[1] * groups
    _check_bias(inputs, filters)
    geometry = transposed(node, x.shape[2:], weights.shape[2:])
    if math.prod(geometry.full) * max(x.shape[0] * filters, 1) > arguments.ELEMENT_LIMIT:
        raise Refuse("its uncropped output is above the limit of 2^28 elements")
    return [arguments.tensor(x.dtype, (x.shape[0], filters, *geometry.output))]


def _transpose_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """Each input element meets the weights of its channel; every product is then added once."""
    x, weights = arguments.required(inputs, 0), arguments.required(inputs, 1)
    groups = _groups(node, x.shape[1])
    macs = x.tensor.elements * math.prod(weights.shape[1:])
    scattered = macs // max(x.shape[1] // groups, 1)
    geometry = transposed(node, x.shape[2:], weights.shape[2:])
    full = math.prod(geometry.full) * x.shape[0] * weights.shape[1] * groups
    elements = scattered + full + 2 * outputs[0].elements
    return Work(macs=macs, elements=elements)


def _transpose_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    x, weights = arguments.present(inputs, 0), arguments.present(inputs, 1)
    dtype = x.dtype
    spatial, kernel = x.shape[2:], weights.shape[2:]
    geometry = transposed(node, spatial, kernel)
    groups = _groups(node, x.shape[1])
    wide = np.float32 if dtype == np.float16 else dtype
    each, channels = weights.shape[1], x.shape[1] // groups
    full = np.zeros((x.shape[0], each * groups, *geometry.full), wide)
    zeros = (0,) * len(kernel)
    places = Windows(kernel, geometry.strides, geometry.dilations, zeros, zeros, spatial, zeros)
    for image in range(x.shape[0]):
        for group in range(groups):
            part = slice(group * channels, (group + 1) * channels)
            flat = weights[part].reshape(channels, -1).T.astype(wide)
            terms = numerics.matmul(flat, x[image, part].reshape(channels, -1).astype(wide))
            terms = terms.reshape(each, -1, *spatial)
            target = full[image, group * each : (group + 1) * each]
            for position, where in enumerate(slices(places)):
                target[(slice(None), *where)] += terms[:, position]
    crop = tuple(
        slice(before, before + out)
        for before, out in zip(geometry.before, geometry.output, strict=True)
    )
    cropped = full[(slice(None), slice(None), *crop)].astype(dtype)
    return [_add_bias(cropped, arguments.given(inputs, 2))]


register("Conv", _conv_infer, _conv_run, _conv_work)
register("ConvTranspose", _transpose_infer, _transpose_run, _transpose_work)

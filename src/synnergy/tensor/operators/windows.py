"""Where a kernel slides over spatial axes: attributes checked, sizes computed, slices taken.

TENSOR-23: output sizes follow ONNX: floor (or ceil) of (size + pads - extent) / stride, plus 1;
a window of ceil_mode that would start in the end padding is left out.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from synnergy.tensor.operators import arguments
from synnergy.tensor.types import Array, Node, Refuse

_AUTO_PADS = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
_LARGEST = 1 << 20

Sizes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Windows:
    """A kernel's geometry, one number for each spatial axis.

    before, after: padding; output: how many windows fit; excess: how far the last window reaches
    beyond the padding at the end (only with ceil_mode).
    """

    kernel: Sizes
    strides: Sizes
    dilations: Sizes
    before: Sizes
    after: Sizes
    output: Sizes
    excess: Sizes

    @property
    def positions(self) -> int:
        """Elements of the kernel."""
        return math.prod(self.kernel)

    def padded(self, spatial: Sizes) -> int:
        """Elements of one channel with its padding."""
        parts = zip(spatial, self.before, self.after, self.excess, strict=True)
        return math.prod(sum(part) for part in parts)


def spatial_attribute(node: Node, name: str, rank: int, default: int, least: int) -> Sizes:
    """A list attribute with one number for each spatial axis. Raises Refuse."""
    given = arguments.integers(node, name)
    values = given if given else (default,) * rank
    if len(values) != rank or not all(least <= value <= _LARGEST for value in values):
        raise Refuse(f"attribute {name} doesn't hold {rank} numbers of at least {least}")
    return values


def extents(kernel: Sizes, dilations: Sizes) -> Sizes:
    """How far a dilated kernel reaches."""
    return tuple((k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True))


def windows_of(
    node: Node, spatial: Sizes, kernel: Sizes, ceil_mode: bool = False, planes: int = 1
) -> Windows:
    """The windows of a convolution or pooling over axes of these sizes. Raises Refuse.

    `planes` is how many times these axes lie in the input (batch times channels): all of them
    together, padded, must stay within the limit on elements.
    """
    rank = len(spatial)
    if not rank or len(kernel) != rank or min(kernel) < 1 or max(kernel) > _LARGEST:
        raise Refuse(f"a kernel of shape {list(kernel)} doesn't fit {rank} spatial axes")
    strides = spatial_attribute(node, "strides", rank, 1, 1)
    dilations = spatial_attribute(node, "dilations", rank, 1, 1)
    reach = extents(kernel, dilations)
    auto = arguments.text(node, "auto_pad", "NOTSET", _AUTO_PADS)
    before, after = _padding(node, auto, spatial, strides, reach)
    ceil_mode = ceil_mode and not auto.startswith("SAME")
    output: list[int] = []
    excess: list[int] = []
    for axis in range(rank):
        size = spatial[axis] + before[axis] + after[axis]
        if size < reach[axis]:
            raise Refuse(f"the kernel reaches over {reach[axis]}, the padded axis has {size}")
        room = size - reach[axis]
        count = (-(-room // strides[axis]) if ceil_mode else room // strides[axis]) + 1
        if ceil_mode and (count - 1) * strides[axis] >= spatial[axis] + before[axis]:
            count -= 1
        output.append(count)
        excess.append(max((count - 1) * strides[axis] + reach[axis] - size, 0))
    windows = Windows(kernel, strides, dilations, before, after, tuple(output), tuple(excess))
    if windows.padded(spatial) * max(planes, 1) > arguments.ELEMENT_LIMIT:
        raise Refuse("its padded input is above the limit of 2^28 elements")
    return windows


def _padding(
    node: Node, auto: str, spatial: Sizes, strides: Sizes, reach: Sizes
) -> tuple[Sizes, Sizes]:
    rank = len(spatial)
    pads = spatial_attribute(node, "pads", 2 * rank, 0, 0)
    if auto == "NOTSET":
        return pads[:rank], pads[rank:]
    if auto == "VALID":
        return (0,) * rank, (0,) * rank
    totals = [
        max((-(-size // stride) - 1) * stride + far - size, 0)
        for size, stride, far in zip(spatial, strides, reach, strict=True)
    ]
    less = tuple(total // 2 for total in totals)
    more = tuple(total - total // 2 for total in totals)
    return (less, more) if auto == "SAME_UPPER" else (more, less)


def pad_spatial(x: Array, windows: Windows, fill: float | int | bool) -> Array:
    """`x` [n, c, spatial…] with padding and excess filled in, ready for `slices`."""
    widths = [(0, 0), (0, 0)]
    for before, after, excess in zip(windows.before, windows.after, windows.excess, strict=True):
        widths.append((before, after + excess))
    return np.pad(x, widths, constant_values=fill)


def slices(windows: Windows) -> Iterator[tuple[slice, ...]]:
    """For each kernel element, in row-major order, where the windows' elements lie."""
    for offsets in itertools.product(*(range(size) for size in windows.kernel)):
        yield tuple(
            slice(at * dilation, at * dilation + (count - 1) * stride + 1, stride)
            for at, dilation, count, stride in zip(
                offsets, windows.dilations, windows.output, windows.strides, strict=True
            )
        )


def input_windows(
    node: Node, shape: Sequence[int], kernel: Sizes, ceil_mode: bool = False
) -> Windows:
    """`windows_of` an input [n, c, spatial…]. Raises Refuse."""
    return windows_of(node, spatial_shape(shape), kernel, ceil_mode, shape[0] * shape[1])


def spatial_shape(shape: Sequence[int]) -> Sizes:
    """The axes after batch and channel. Raises Refuse where there are none, or over three."""
    if not 3 <= len(shape) <= 5:
        raise Refuse(f"its input of rank {len(shape)} has no 1 to 3 spatial axes")
    return tuple(shape[2:])

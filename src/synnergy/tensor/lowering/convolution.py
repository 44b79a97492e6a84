"""Conv and ConvTranspose. TENSOR-10, TENSOR-17"""

from __future__ import annotations

import math
from dataclasses import dataclass

from synnergy.tensor.kernels.program import Argument, Buffer, Builder, Operand
from synnergy.tensor.kernels.steps import Step
from synnergy.tensor.lowering.after import After, Kind, Layout, take_followers, words
from synnergy.tensor.lowering.registry import Site, lowers
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.convolution import transposed
from synnergy.tensor.operators.windows import Sizes, Windows, input_windows

#: The widest vector and panel of any build, in float32, and the most rows of a tile.
_LANES, _PANEL, _ROWS = 16, 48, 8
#: Floats of patches that are laid out at once, about.
_PATCHES = 1 << 14
#: Terms of a dot product in one block.
_BLOCK = 256
#: Pixels of output whose sums are kept at once, about.
_BAND = 384
#: Floats of an input plane that are copied at once, about.
_PLANE = 4096
#: Operations that a step can do after a convolution.
_MOST_AFTER = 14


@dataclass(frozen=True, slots=True)
class Geometry:
    """A convolution as kernels see it: always three spatial axes, those in front of size 1."""

    images: int
    groups: int
    channels: int
    filters: int
    size: Sizes
    kernel: Sizes
    strides: Sizes
    dilations: Sizes
    before: Sizes
    output: Sizes

    @property
    def terms(self) -> int:
        return self.channels * math.prod(self.kernel)

    @property
    def pixels(self) -> int:
        return math.prod(self.output)

    @property
    def reach(self) -> Sizes:
        """How far the windows reach along each axis, from the first one's begin."""
        axes = zip(self.output, self.strides, self.kernel, self.dilations, strict=True)
        return tuple(
            (out - 1) * step + (far - 1) * dilation + 1 for out, step, far, dilation in axes
        )

    @property
    def padded(self) -> bool:
        """Whether windows reach beyond the input."""
        axes = zip(self.reach, self.before, self.size, strict=True)
        return any(first > 0 or far - first > size for far, first, size in axes)

    @property
    def flat(self) -> bool:
        """Whether there are no more axes than rows and columns."""
        return self.size[0] == self.kernel[0] == self.output[0] == 1

    def words(self) -> list[Argument]:
        return [
            *(self.images, self.groups, self.channels, self.filters),
            *(*self.size, *self.kernel, *self.strides, *self.dilations),
            *(*self.before, *self.output),
        ]


def geometry_of(
    windows: Windows, images: int, spatial: Sizes, groups: int, channels: int, filters: int
) -> Geometry:
    """Channels and filters are those of all groups."""
    lacking = 3 - len(spatial)
    ones, zeros = (1,) * lacking, (0,) * lacking
    geometry = Geometry(
        *(images, groups, channels // groups, filters // groups),
        *(ones + spatial, ones + windows.kernel, ones + windows.strides),
        *(ones + windows.dilations, zeros + windows.before, ones + windows.output),
    )
    if (
        math.prod(geometry.kernel) == 1
        and geometry.size == geometry.output
        and not geometry.padded
    ):
        flat = (1, 1, geometry.pixels)
        unit = (1, 1, 1)
        return Geometry(
            *(images, groups, geometry.channels, geometry.filters),
            *(flat, unit, unit, unit, (0, 0, 0), flat),
        )
    return geometry


def plane_band(geometry: Geometry) -> int:
    """Rows of output whose input is copied at once, of a kernel that slides over one plane."""
    columns = geometry.output[2] * geometry.strides[2]
    return min(geometry.output[1], max(4, _PLANE // columns // geometry.strides[1]))


def plane_scratch(geometry: Geometry, band: int) -> int:
    """Bytes of those copies, with the places of the kernel's elements in them."""
    _, height, width = geometry.kernel
    stride = geometry.strides[2]
    columns = geometry.output[2] + geometry.dilations[2] * (width - 1) // stride
    rows = (band + 2) * geometry.strides[1] + geometry.dilations[1] * (height - 1) + 1
    return 4 * (height * width + stride * rows * columns + 2 * _LANES)


@lowers("Conv")
def conv(site: Site) -> list[Operand] | None:
    x, weights, bias = (*site.inputs, None)[:3]
    if x is None or weights is None:
        return None
    node, shape = site.node, site.outputs[0].shape
    groups = arguments.integer(node, "group", 1)
    windows = input_windows(node, x.shape, weights.shape[2:])
    geometry = geometry_of(windows, shape[0], x.shape[2:], groups, x.shape[1], shape[1])
    if not math.prod(shape) or not geometry.terms:
        return None
    if x.dtype != "float32":
        return [_any(site, x, weights, bias, geometry, transposed=False)]
    layout = Layout(shape, ((0,), (1,), tuple(range(2, len(shape)))))
    after = [] if bias is None else [After(Kind.ADD, bias, (0, 1, 0))]
    after += take_followers(site.followers, site.builder, layout, shape, _MOST_AFTER, False)
    result = site.result()
    finish: list[Argument] = [len(after), *words(after)]
    if (
        geometry.channels == geometry.size[0] == geometry.kernel[0] == 1
        and geometry.terms <= _BLOCK
    ):
        _depthwise(site.builder, result, x, weights, geometry, finish)
    elif by_lanes(geometry):
        _lanes(site.builder, result, x, weights, geometry, finish)
    else:
        _rows(site.builder, result, x, weights, geometry, finish)
    return [result]


@lowers("ConvTranspose")
def conv_transpose(site: Site) -> list[Operand] | None:
    x, weights, bias = (*site.inputs, None)[:3]
    if x is None or weights is None:
        return None
    spatial, kernel = x.shape[2:], weights.shape[2:]
    found = transposed(site.node, spatial, kernel)
    groups = arguments.integer(site.node, "group", 1)
    nothing = (0,) * len(kernel)
    windows = Windows(
        kernel, found.strides, found.dilations, found.before, nothing, found.output, nothing
    )
    filters = weights.shape[1] * groups
    geometry = geometry_of(windows, x.shape[0], spatial, groups, x.shape[1], filters)
    if not math.prod(site.outputs[0].shape) or not geometry.channels:
        return None
    return [_any(site, x, weights, bias, geometry, transposed=True)]


def _any(
    site: Site,
    x: Operand,
    weights: Operand,
    bias: Operand | None,
    geometry: Geometry,
    transposed: bool,
) -> Operand:
    result = site.result()
    site.builder.step(
        Step.CONV_ANY, result, x, weights, bias, x.code, int(transposed), *geometry.words()
    )
    return result


def by_lanes(geometry: Geometry) -> bool:
    """Whether filters go in the lanes: by the measured costs, in terms of a sum, of a result's
    turning, of writing it, and of copying patches, and by how well vectors are filled."""
    filters, pixels = geometry.filters, geometry.pixels
    squares = -(-pixels // _LANES) * _LANES / pixels
    lanes = -(-filters // _LANES) * _LANES / filters * (geometry.terms + 10 * squares)
    copies, write = (4 if geometry.strides[2] == 1 else 12) * geometry.terms / filters, 5
    if pixels < _PANEL:  # panels hold several images, and their results are written piece by piece
        pixels, write = pixels * geometry.images, 14
    narrow = 8 if pixels % _PANEL else 0  # the last panel is slow for its width
    filled = -(-pixels // _LANES) * _LANES + narrow
    rows = filled / pixels * (geometry.terms + write) + copies
    return lanes <= rows


def _lanes(
    builder: Builder,
    result: Operand,
    x: Operand,
    weights: Operand,
    geometry: Geometry,
    finish: list[Argument],
) -> None:
    each = geometry.terms * (geometry.filters + _LANES - 1)
    groups, filters, terms = geometry.groups, geometry.filters, geometry.terms

    def pack(target: Builder, source: Operand, place: Buffer) -> None:
        target.step(Step.CONV_PACK_F32, place, source, groups, filters, terms, each)

    panels = builder.prepared(("lanes", groups), weights, 4 * each * groups, pack)
    rows, width = math.prod(geometry.output[:2]), geometry.output[2]
    apart = geometry.flat or not geometry.padded  # padded bands are of one depth
    band = min(rows, max(1, _BAND // width)) if apart else rows
    images = min(geometry.images, max(1, _BAND // geometry.pixels)) if band == rows else 1
    pixels = band * images * width
    scratch = 4 * (pixels * (_PANEL + 1) + terms)
    if geometry.padded:
        reach = list(geometry.reach)
        if band < rows:
            reach[1] -= (rows - band) * geometry.strides[1]
        scratch += 4 * images * geometry.channels * math.prod(reach)
    builder.step(
        Step.CONV_LANES_F32,
        *(result, x, panels, band * images, each, builder.thread_scratch(scratch)),
        *(*geometry.words(), *finish),
    )


def _rows(
    builder: Builder,
    result: Operand,
    x: Operand,
    weights: Operand,
    geometry: Geometry,
    finish: list[Argument],
) -> None:
    single = geometry.terms <= _BLOCK
    together = max(1, min(8, _PATCHES // (geometry.terms * _PANEL))) if single else 1
    rows = (_ROWS if single else geometry.filters) + 1
    scratch = 4 * together * _PANEL * (rows + min(geometry.terms, _BLOCK)) + 4 * _LANES
    builder.step(
        Step.CONV_ROWS_F32,
        *(result, x, weights, together, 0, builder.thread_scratch(scratch)),
        *(*geometry.words(), *finish),
    )


def _depthwise(
    builder: Builder,
    result: Operand,
    x: Operand,
    weights: Operand,
    geometry: Geometry,
    finish: list[Argument],
) -> None:
    band = plane_band(geometry)
    width = max(geometry.output[2], _LANES) + _LANES
    row = 2 * width + 3 * _LANES  # with three masks, pointers to rows, a row of zeros and copies
    in_place = 4 * (3 * width + 2 * (2 * band + 11) + row * (4 + row // geometry.size[2]))
    scratch = max(plane_scratch(geometry, band), in_place)
    builder.step(
        Step.CONV_DEPTHWISE_F32,
        *(result, x, weights, band, 0, builder.thread_scratch(scratch)),
        *(*geometry.words(), *finish),
    )

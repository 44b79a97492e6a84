"""Sampling of images at computed places: AffineGrid, GridSample. SHAPE-130 to SHAPE-133"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synnergy.tensor import numerics
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import Array, Node, Refuse, Value, ValueType, Work

_MODES = {
    "nearest": "nearest",
    "linear": "linear",
    "bilinear": "linear",
    "cubic": "cubic",
    "bicubic": "cubic",
}
_PADDINGS = ("zeros", "border", "reflection")
_TAPS = {"nearest": 1, "linear": 2, "cubic": 4}


# AffineGrid: theta times (x, y, z, 1) of every place, by TENSOR-10. SHAPE-130


def _places(size: int, aligned: bool) -> Array:
    """Coordinates of one axis in -1..1, in float64: centres of the elements, or the corners."""
    steps = np.arange(size, dtype=np.float64)
    if aligned:
        return steps * 2.0 / max(size - 1, 1) - 1.0
    return (steps * 2.0 + 1.0) / max(size, 1) - 1.0


def _grid_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 2, 2)
    theta = arguments.required(inputs, 0)
    arguments.one_of(theta, arguments.FLOATS, "theta")
    size = arguments.known_integers(arguments.required(inputs, 1), "size")
    rank = len(size) - 2
    if rank not in (2, 3) or theta.shape != (size[0], rank, rank + 1):
        raise Refuse(f"theta of shape {theta.shape} doesn't fit size {size}")
    arguments.flag(node, "align_corners")
    return [arguments.tensor(theta.dtype, (size[0], *size[2:], rank))]


def _grid_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """A multiply-add for each term of each coordinate, which is written once."""
    rank = arguments.required(inputs, 0).shape[1]
    return Work(macs=outputs[0].elements * (rank + 1), elements=outputs[0].elements)


@numerics.quiet
def _grid_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    theta = arguments.present(inputs, 0)
    batch, _, *sizes = (int(size) for size in arguments.present(inputs, 1).reshape(-1))
    aligned = arguments.flag(node, "align_corners")
    axes = np.meshgrid(*(_places(size, aligned) for size in sizes), indexing="ij")
    wide = np.float32 if theta.dtype == np.float16 else theta.dtype
    homogeneous = np.stack([*axes[::-1], np.ones_like(axes[0])], axis=-1).astype(wide)
    flat = homogeneous.reshape(1, -1, len(sizes) + 1)
    result = numerics.matmul(np.repeat(flat, batch, axis=0), theta.astype(wide).swapaxes(1, 2))
    return [result.reshape(batch, *sizes, len(sizes)).astype(theta.dtype)]


register("AffineGrid", _grid_infer, _grid_run, _grid_work, since=20)


# GridSample. SHAPE-131 to SHAPE-133


def _mode(node: Node) -> str:
    default = "linear" if node.opset >= 20 else "bilinear"
    return _MODES[arguments.text(node, "mode", default, tuple(_MODES))]


def _sample_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 2, 2)
    x, grid = arguments.required(inputs, 0), arguments.required(inputs, 1)
    arguments.one_of(x, arguments.FLOATS, "X")
    arguments.one_of(grid, arguments.FLOATS, "grid")
    rank = len(x.shape) - 2
    if not 1 <= rank <= 3 or len(grid.shape) != rank + 2 or grid.shape[-1] != rank:
        raise Refuse(f"a grid of shape {grid.shape} doesn't fit {x.shape}")
    if grid.shape[0] != x.shape[0] or 0 in x.shape[2:]:
        raise Refuse(f"a grid of shape {grid.shape} doesn't fit {x.shape}")
    _mode(node)
    arguments.text(node, "padding_mode", "zeros", _PADDINGS)
    arguments.flag(node, "align_corners")
    return [arguments.tensor(x.dtype, (*x.shape[:2], *grid.shape[1:-1]))]


def _sample_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """A product and a sum for each tap, and thrice as much for its place and weight."""
    rank = len(arguments.required(inputs, 0).shape) - 2
    taps = int(_TAPS[_mode(node)] ** rank)
    places = arguments.required(inputs, 1).tensor.elements
    return Work(elements=2 * taps * outputs[0].elements + 6 * taps * places)


def reflect(x: Array, low: float, high: float) -> Array:
    """Coordinates folded at both borders until they are within. SHAPE-132"""
    width = high - low
    if width <= 0:
        return np.full_like(x, low)
    below = np.where(x < low, low - x, x - high)
    turns = np.trunc(below / width)
    rest = below - turns * width
    even = turns % 2 == 0
    return np.where(
        x < low,
        np.where(even, low + rest, high - rest),
        np.where(x > high, np.where(even, high - rest, low + rest), x),
    )


def _axis_places(x: Array, size: int, mode: str, padding: str, aligned: bool) -> Array:
    """Coordinates of an axis, in elements, from those in -1..1."""
    place: Array
    one, two = x.dtype.type(1), x.dtype.type(2)
    length = x.dtype.type(size)
    if aligned:
        place = (x + one) / two * (length - one)
    else:
        place = ((x + one) * length - one) / two
    if mode == "nearest":
        place = np.rint(place)
    low, high = (0.0, size - 1.0) if aligned else (-0.5, size - 0.5)
    if padding == "border":
        outside = (place < low) | (place > high)
        place = np.where(outside, np.clip(place, x.dtype.type(0), length - one), place)
    elif padding == "reflection":
        place = reflect(place, x.dtype.type(low), x.dtype.type(high))
    return near(place)


def near(place: Array) -> Array:
    """Coordinates, of which what isn't a number, or far away, counts as far outside. SHAPE-132"""
    return np.where(np.abs(place) < 2.0**30, place, place.dtype.type(-(2.0**30)))


def cubic_weights(s: Array) -> list[Array]:
    """Keys' convolution with a = -0.75 at a fraction s of an element. SHAPE-133"""
    a, one = s.dtype.type(-0.75), s.dtype.type(1)
    two, three, four, five, eight = (s.dtype.type(value) for value in (2, 3, 4, 5, 8))
    far, near, beyond = s + one, one - s, two - s
    return [
        ((a * far - five * a) * far + eight * a) * far - four * a,
        ((a + two) * s - (a + three)) * s * s + one,
        ((a + two) * near - (a + three)) * near * near + one,
        ((a * beyond - five * a) * beyond + eight * a) * beyond - four * a,
    ]


def _taps(place: Array, mode: str) -> list[tuple[Array, Array | None]]:
    """The elements around a place and their weights, in order."""
    if mode == "nearest":
        return [(place.astype(np.int64), None)]
    below = np.floor(place)
    first = below.astype(np.int64)
    fraction = place - below
    if mode == "linear":
        return [(first, place.dtype.type(1) - fraction), (first + 1, fraction)]
    return [(first + tap - 1, weight) for tap, weight in enumerate(cubic_weights(fraction))]


def _within(index: Array, size: int, padding: str, aligned: bool) -> tuple[Array, Array | None]:
    """Indices inside the axis, and which of them stand for a zero."""
    if padding == "zeros":
        inside = (index >= 0) & (index < size)
        return np.where(inside, index, 0), inside
    if padding == "border":
        return np.clip(index, 0, size - 1), None
    low, high = (0.0, size - 1.0) if aligned else (-0.5, size - 0.5)
    folded = reflect(index.astype(np.float64), low, high)
    return np.clip(np.trunc(folded), 0, size - 1).astype(np.int64), None


def sample(x: Array, grid: Array, mode: str, padding: str, aligned: bool) -> Array:
    """x [N, C, *sizes] at grid [N, *places, rank], coordinates x first: [N, C, *places]."""
    places = [
        _axis_places(grid[..., -1 - axis], size, mode, padding, aligned)
        for axis, size in enumerate(x.shape[2:])
    ]
    return interpolate(x, places, mode, padding, aligned)


def interpolate(
    x: Array, places: Sequence[Array], mode: str, padding: str, aligned: bool
) -> Array:
    """x [N, C, *sizes] at a place [N, *places], in elements, along each axis: [N, C, *places].

    Along the last axis first, products and sums rounded one by one in order of the taps.
    """
    sizes = x.shape[2:]
    axes = [_taps(place, mode) for place in places]
    count: Array = np.arange(x.shape[0], dtype=np.int64)
    batch = count.reshape(-1, *[1] * (places[0].ndim - 1))

    def along(axis: int, chosen: list[Array], inside: list[Array]) -> Array:
        if axis == len(sizes):
            picked = np.moveaxis(x, 1, -1)[(batch, *chosen)]
            for mask in inside:
                picked = np.where(mask[..., None], picked, x.dtype.type(0))
            return picked
        total: Array | None = None
        for index, weight in axes[axis]:
            place, mask = _within(index, sizes[axis], padding, aligned)
            masks = inside if mask is None else [*inside, mask]
            value = along(axis + 1, [*chosen, place], masks)
            term = value if weight is None else value * weight[..., None].astype(x.dtype)
            total = term if total is None else total + term
        assert total is not None
        return total

    return np.moveaxis(along(0, [], []), -1, 1)


@numerics.quiet
def _sample_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    x, grid = arguments.present(inputs, 0), arguments.present(inputs, 1)
    wide = x.astype(np.float32) if x.dtype == np.float16 else x
    places = grid.astype(np.float32) if grid.dtype == np.float16 else grid
    padding = arguments.text(node, "padding_mode", "zeros", _PADDINGS)
    result = sample(wide, places, _mode(node), padding, arguments.flag(node, "align_corners"))
    return [np.array(result.astype(x.dtype), order="C")]


register("GridSample", _sample_infer, _sample_run, _sample_work, since=16)

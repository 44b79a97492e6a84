"""Resize and Upsample: nearest, linear and cubic interpolation, one axis after another.

SHAPE-40: output coordinates go to input coordinates by the mode's formula in float32, an operation
rounded at a time. SHAPE-41: axes are resized in order; an element is the sum, in order of the
taps, of separately rounded products with float32 weights. Neighbours beyond the edge are the
edge's element. SHAPE-42: outputs of tf_crop_and_resize whose coordinate is outside 0..size-1
are `extrapolation_value`. Antialiasing is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from synnergy.tensor import numerics
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import Array, Node, Refuse, TensorType, Value, ValueType, Work

_COORDINATES = (
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_crop_and_resize",
    "tf_half_pixel_for_nn",
)
_ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
_POLICIES = ("stretch", "not_larger", "not_smaller")
_FLOAT = np.float32
_ONE, _HALF, _ZERO = _FLOAT(1), _FLOAT(0.5), _FLOAT(0)


@dataclass(frozen=True, slots=True)
class _Resized:
    """One axis: input and output size, the scale, and the part of it that roi keeps.

    width is the output size before it is rounded down to `after`.
    """

    before: int
    after: int
    scale: np.float32
    width: np.float32
    begin: np.float32 = _ZERO
    end: np.float32 = _ONE

    @property
    def changes(self) -> bool:
        return self.before != self.after or self.scale != 1 or (self.begin, self.end) != (0, 1)


@dataclass(frozen=True, slots=True)
class _Settings:
    mode: str
    coordinates: str
    rounding: str
    cubic: np.float32
    exclude: bool
    extrapolation: np.float32


def _settings(node: Node) -> _Settings:
    if node.opset < 11 or node.operator == "Upsample":
        mode = arguments.text(node, "mode", "nearest", ("nearest", "linear"))
        return _Settings(mode, "asymmetric", "simple", _ZERO, False, _ZERO)
    if arguments.flag(node, "antialias"):
        raise Refuse("antialiasing isn't supported")
    return _Settings(
        arguments.text(node, "mode", "nearest", ("nearest", "linear", "cubic")),
        arguments.text(node, "coordinate_transformation_mode", "half_pixel", _COORDINATES),
        arguments.text(node, "nearest_mode", "round_prefer_floor", _ROUNDINGS),
        _FLOAT(arguments.number(node, "cubic_coeff_a", -0.75)),
        arguments.flag(node, "exclude_outside"),
        _FLOAT(arguments.number(node, "extrapolation_value", 0.0)),
    )


def _axes(
    node: Node, shape: Sequence[int], roi: Array | None, scales: Array | None, sizes: Array | None
) -> list[_Resized]:
    """What happens to every axis. Raises Refuse."""
    rank = len(shape)
    listed = arguments.integers(node, "axes") if node.opset >= 18 else None
    named = arguments.axes_of(range(rank) if listed is None else listed, rank)
    given = scales if scales is not None else sizes
    if given is None or (scales is not None and sizes is not None) or given.size != len(named):
        raise Refuse("either scales or sizes must be given, one for each axis")
    bounds = _bounds(roi, len(named))
    if scales is not None:
        factors = [_FLOAT(scale) for scale in scales.reshape(-1)]
        if not all(np.isfinite(factor) and factor > 0 for factor in factors):
            raise Refuse("a scale must be finite and above zero")
        widths = [
            factor * _FLOAT(shape[axis]) * (end - begin)
            for factor, axis, (begin, end) in zip(factors, named, bounds, strict=True)
        ]
        lengths = [_length(width) for width in widths]
    else:
        lengths, factors = _sized(node, [shape[axis] for axis in named], given)
        widths = [_FLOAT(length) for length in lengths]
    result = [_Resized(size, size, _ONE, _FLOAT(size)) for size in shape]
    for place, axis in enumerate(named):
        if lengths[place] > 0 and shape[axis] == 0:
            raise Refuse("an empty axis can't be resized")
        result[axis] = _Resized(
            shape[axis], lengths[place], factors[place], widths[place], *bounds[place]
        )
    return result


def _bounds(roi: Array | None, count: int) -> list[tuple[np.float32, np.float32]]:
    """(start, end) of the region for each axis, from [starts…, ends…]."""
    if roi is None:
        return [(_ZERO, _ONE)] * count
    flat = roi.reshape(-1).astype(_FLOAT)
    if flat.size != 2 * count or not np.isfinite(flat).all():
        raise Refuse(f"roi of {flat.size} elements for {count} axes")
    return [(_FLOAT(flat[place]), _FLOAT(flat[place + count])) for place in range(count)]


def _length(exact: np.float32) -> int:
    if not np.isfinite(exact) or exact > arguments.ELEMENT_LIMIT:
        raise Refuse("an axis is resized above the limit")
    return max(int(exact), 0)


def _sized(node: Node, before: Sequence[int], sizes: Array) -> tuple[list[int], list[np.float32]]:
    """Output sizes and scales from given sizes; a policy may keep the aspect ratio. SHAPE-43"""
    wanted = [int(size) for size in sizes.reshape(-1)]
    if any(not 0 <= size <= arguments.ELEMENT_LIMIT for size in wanted):
        raise Refuse(f"sizes {wanted[:8]} are outside the limits")
    ratios = [_FLOAT(size) / _FLOAT(max(old, 1)) for size, old in zip(wanted, before, strict=True)]
    policy = "stretch"
    if node.opset >= 18:
        policy = arguments.text(node, "keep_aspect_ratio_policy", "stretch", _POLICIES)
    if policy == "stretch" or not ratios:
        return wanted, ratios
    ratio = min(ratios) if policy == "not_larger" else max(ratios)
    lengths = [_length(np.floor(ratio * _FLOAT(old) + _HALF)) for old in before]
    return lengths, [ratio] * len(lengths)


def _coordinates(mode: str, axis: _Resized) -> Array:
    """The input coordinate of each output element. SHAPE-40"""
    x = np.arange(axis.after, dtype=np.int64).astype(_FLOAT)
    before, after = _FLOAT(axis.before), _FLOAT(axis.after)
    if mode == "asymmetric":
        return x / axis.scale
    if mode == "tf_half_pixel_for_nn":
        return (x + _HALF) / axis.scale
    if mode == "align_corners":
        return x * (before - _ONE) / (axis.width - _ONE) if axis.width != 1 else x * _ZERO
    if mode == "tf_crop_and_resize":
        last = before - _ONE
        if axis.after > 1:
            return axis.begin * last + (x * (axis.end - axis.begin) * last) / (after - _ONE)
        return x * _ZERO + _HALF * (axis.begin + axis.end) * last
    half_pixel = (x + _HALF) / axis.scale - _HALF
    if mode == "pytorch_half_pixel":
        return half_pixel if axis.after > 1 else x * _ZERO
    if mode == "half_pixel_symmetric":
        adjustment = after / (axis.scale * before)
        return (before / _FLOAT(2)) * (_ONE - adjustment) + half_pixel
    return half_pixel


def _nearest(rounding: str, axis: _Resized, x: Array) -> Array:
    """The nearest input index; Upsample and Resize before opset 11 shrink upwards. SHAPE-44"""
    if rounding == "simple":
        rounding = "ceil" if axis.scale < 1 else "floor"
    if rounding == "floor":
        place = np.floor(x)
    elif rounding == "ceil":
        place = np.ceil(x)
    else:
        below = np.floor(x)
        half = x - below
        up = half > _HALF if rounding == "round_prefer_floor" else half >= _HALF
        place = below + up
    return np.clip(place, 0, axis.before - 1).astype(np.int64)


def _linear(axis: _Resized, x: Array) -> tuple[Array, Array]:
    """Indices and weights [output, 2]; both are one half where both are the same element."""
    bounded = np.clip(x, _ZERO, _FLOAT(axis.before - 1))
    first = np.minimum(np.floor(bounded).astype(np.int64), axis.before - 1)
    second = np.minimum(first + 1, axis.before - 1)
    weights = np.stack([second.astype(_FLOAT) - bounded, bounded - first.astype(_FLOAT)], axis=1)
    weights[first == second] = _HALF
    return np.stack([first, second], axis=1), weights


def _cubic(settings: _Settings, axis: _Resized, x: Array) -> tuple[Array, Array]:
    """Indices and weights [output, 4] of Keys' convolution with coefficient a."""
    a = settings.cubic
    below = np.floor(x)
    s = x - below
    two, three, four, five, eight = (_FLOAT(value) for value in (2, 3, 4, 5, 8))
    far, near, beyond = s + _ONE, _ONE - s, (_ONE - s) + _ONE
    weights = np.stack(
        [
            ((a * far - five * a) * far + eight * a) * far - four * a,
            ((a + two) * s - (a + three)) * s * s + _ONE,
            ((a + two) * near - (a + three)) * near * near + _ONE,
            ((a * beyond - five * a) * beyond + eight * a) * beyond - four * a,
        ],
        axis=1,
    )
    wide = below.astype(np.int64)[:, None] + np.arange(-1, 3, dtype=np.int64)
    if settings.exclude:
        weights = np.where((wide < 0) | (wide >= axis.before), _ZERO, weights)
        total = ((weights[:, 0] + weights[:, 1]) + weights[:, 2]) + weights[:, 3]
        weights = weights / total[:, None]
    return np.clip(wide, 0, axis.before - 1), weights


def _apply(data: Array, position: int, indices: Array, weights: Array) -> Array:
    """The weighted sum of the taps along one axis. SHAPE-41"""
    column = (-1,) + (1,) * (data.ndim - position - 1)
    total: Array | None = None
    for tap in range(indices.shape[1]):
        weight = weights[:, tap].astype(data.dtype).reshape(column)
        term = np.take(data, indices[:, tap], position) * weight
        total = term if total is None else total + term
    return data if total is None else total


def _known(inputs: Sequence[Value | None], position: int, label: str) -> Array | None:
    """An optional input's contents; empty ones count as left out."""
    value = arguments.optional(inputs, position)
    if value is None or value.tensor.elements == 0:
        return None
    return arguments.known(value, label)


def _read(node: Node, arrays: Sequence[Array | None]) -> tuple[Array | None, ...]:
    """roi, scales and sizes by opset; roi only where the mode uses it."""
    present = [array if array is None or array.size else None for array in arrays]
    if node.opset < 11 or node.operator == "Upsample":
        return None, present[1] if len(present) > 1 else None, None
    roi, scales, sizes = (*present[1:], *[None] * (4 - len(present)))
    uses_roi = node.attribute("coordinate_transformation_mode") == "tf_crop_and_resize"
    return roi if uses_roi else None, scales, sizes


def _plan(node: Node, inputs: Sequence[Value | None]) -> tuple[Value, _Settings, list[_Resized]]:
    old = node.opset < 11 or node.operator == "Upsample"
    arguments.arity(node, inputs, 2 if old else 1, 2 if old else 4)
    data = arguments.required(inputs, 0)
    settings = _settings(node)
    if settings.mode != "nearest":
        arguments.one_of(data, arguments.FLOATS, f"{settings.mode} resizing of X")
    uses_roi = settings.coordinates == "tf_crop_and_resize"
    labels = ("X", "scales") if old else ("X", "roi", "scales", "sizes")
    arrays = [
        _known(inputs, position, label) if position and (label != "roi" or uses_roi) else None
        for position, label in enumerate(labels)
    ]
    return data, settings, _axes(node, data.shape, *_read(node, arrays))


def _resize_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    data, _, axes = _plan(node, inputs)
    for position in range(len(axes)):
        _partial(data.tensor, axes, position)
    return [arguments.tensor(data.dtype, [axis.after for axis in axes])]


def _partial(data: TensorType, axes: Sequence[_Resized], position: int) -> TensorType:
    """The type once the axes up to this one are resized."""
    done = [axis.after for axis in axes[: position + 1]]
    return arguments.tensor(data.dtype, [*done, *data.shape[position + 1 :]])


def _resize_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """For every resized axis: a move (nearest), or a product and a sum for each tap."""
    data, settings, axes = _plan(node, inputs)
    each = {"nearest": 1, "linear": 4, "cubic": 8}[settings.mode]
    elements = sum(
        _partial(data.tensor, axes, position).elements * each
        for position, axis in enumerate(axes)
        if axis.changes
    )
    return Work(elements=elements)


@dataclass(frozen=True, slots=True)
class Taps:
    """What one axis is resized by: indices [output] to take, or with weights [output, taps]."""

    position: int
    indices: Array
    weights: Array | None


def taps_of(
    node: Node, shape: Sequence[int], inputs: Sequence[Array | None]
) -> tuple[list[Taps], Array, np.float32]:
    """The axes that change, in order; which results lie outside (broadcasts), and their value."""
    settings = _settings(node)
    taps: list[Taps] = []
    outside = np.zeros((1,) * len(shape), bool)
    for position, axis in enumerate(_axes(node, shape, *_read(node, inputs))):
        if not axis.changes:
            continue
        x = _coordinates(settings.coordinates, axis)
        if settings.coordinates == "tf_crop_and_resize":
            beyond = (x < 0) | (x > _FLOAT(axis.before - 1))
            outside = outside | beyond.reshape((-1,) + (1,) * (len(shape) - position - 1))
        if settings.mode == "nearest":
            taps.append(Taps(position, _nearest(settings.rounding, axis, x), None))
        elif settings.mode == "linear":
            taps.append(Taps(position, *_linear(axis, x)))
        else:
            taps.append(Taps(position, *_cubic(settings, axis, x)))
    return taps, outside, settings.extrapolation


@numerics.quiet
def _resize_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    data = arguments.present(inputs, 0)
    result = data.astype(_FLOAT) if data.dtype == np.float16 else data
    taps, outside, extrapolation = taps_of(node, data.shape, inputs)
    for each in taps:
        if each.weights is None:
            result = np.take(result, each.indices, each.position)
        else:
            result = _apply(result, each.position, each.indices, each.weights)
    if outside.any():
        result = np.where(outside, extrapolation.astype(result.dtype), result)
    return [result.astype(data.dtype)]


register("Resize", _resize_infer, _resize_run, _resize_work, since=10)
register("Upsample", _resize_infer, _resize_run, _resize_work, since=9)

"""Pad: constant, reflect, edge and wrap; negative amounts crop first. SHAPE-37"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import Array, Node, Refuse, Value, ValueType

Amounts = list[tuple[int, int]]


def _mode(node: Node) -> str:
    modes = ("constant", "reflect", "edge", "wrap")
    return arguments.text(node, "mode", "constant", modes if node.opset >= 19 else modes[:3])


def _amounts(rank: int, pads: Sequence[int], axes: Sequence[int] | None) -> Amounts:
    """(before, after) for each axis from [before of each axis…, after of each axis…]."""
    named = arguments.axes_of(range(rank) if axes is None else axes, rank)
    if len(pads) != 2 * len(named):
        raise Refuse(f"{len(pads)} pads for {len(named)} axes")
    amounts = [(0, 0)] * rank
    for position, axis in enumerate(named):
        amounts[axis] = (pads[position], pads[position + len(named)])
    return amounts


def _padded(node: Node, shape: Sequence[int], amounts: Amounts) -> list[int]:
    mode = _mode(node)
    result: list[int] = []
    for size, (before, after) in zip(shape, amounts, strict=True):
        if before + size + after < 0 or before < -size or after < -size:
            raise Refuse(f"pads {before} and {after} crop more than {size} elements")
        left = size + min(before, 0) + min(after, 0)
        if left <= 0 and mode != "constant" and (before > 0 or after > 0):
            raise Refuse(f"mode {mode} can't pad an empty axis")
        result.append(before + size + after)
    return result


def _pad_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    data = arguments.required(inputs, 0)
    rank = len(data.shape)
    if node.opset < 11:
        arguments.arity(node, inputs, 1, 1)
        arguments.one_of(data, arguments.FLOATS, "data")
        arguments.number(node, "value", 0.0)
        amounts = _amounts(rank, arguments.integers(node, "pads") or (), None)
        return [arguments.tensor(data.dtype, _padded(node, data.shape, amounts))]
    arguments.arity(node, inputs, 2, 4 if node.opset >= 18 else 3)
    pads = arguments.known_integers(arguments.required(inputs, 1), "pads")
    fill, named = arguments.optional(inputs, 2), arguments.optional(inputs, 3)
    if fill is not None and (fill.dtype != data.dtype or fill.tensor.elements != 1):
        raise Refuse("the padding value must be one element of the data's type")
    if fill is None and data.dtype == "string" and _mode(node) == "constant":
        raise Refuse("strings are padded with a given value only")
    axes = None if named is None else arguments.known_integers(named, "axes")
    shape = _padded(node, data.shape, _amounts(rank, pads, axes))
    return [arguments.tensor(data.dtype, shape)]


def _pad_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    data = arguments.present(inputs, 0)
    pads, value, named = (arguments.given(inputs, position) for position in (1, 2, 3))
    if node.opset < 11:
        fill = np.array(arguments.number(node, "value", 0.0)).astype(data.dtype)
    else:
        fill = np.zeros((), data.dtype) if value is None else value.reshape(())
    amounts, mode = amounts_of(node, data.ndim, _listed(pads), _listed(named))
    cropped = data[
        tuple(
            slice(max(-before, 0), size - max(-after, 0))
            for size, (before, after) in zip(data.shape, amounts, strict=True)
        )
    ]
    added = [(max(before, 0), max(after, 0)) for before, after in amounts]
    if mode == "constant":
        return [_filled(cropped, added, fill)]
    result = cropped.copy()
    for axis, (before, after) in enumerate(added):
        if before or after:
            result = np.take(result, sources(mode, result.shape[axis], before, after), axis)
    return [result]


def amounts_of(
    node: Node, rank: int, pads: Sequence[int] | None, axes: Sequence[int] | None
) -> tuple[Amounts, str]:
    """(before, after) for each axis and the mode, from the contents of the inputs."""
    if node.opset < 11:
        return _amounts(rank, arguments.integers(node, "pads") or (), None), _mode(node)
    return _amounts(rank, pads or (), axes), _mode(node)


def _listed(array: Array | None) -> list[int] | None:
    return None if array is None else [int(item) for item in array.reshape(-1)]


def _filled(data: Array, added: Amounts, fill: Array) -> Array:
    shape = [
        before + size + after for size, (before, after) in zip(data.shape, added, strict=True)
    ]
    result = np.full(shape, fill, data.dtype)
    inner = zip(data.shape, added, strict=True)
    result[tuple(slice(before, before + size) for size, (before, _) in inner)] = data
    return result


def sources(mode: str, size: int, before: int, after: int) -> Array:
    """Which element of the cropped axis each output element copies. SHAPE-38"""
    line = np.arange(-before, size + after)
    if mode == "edge":
        return np.clip(line, 0, size - 1)
    if mode == "wrap":
        return line % size
    period = max(2 * (size - 1), 1)
    folded = line % period
    return np.minimum(folded, period - folded) if size > 1 else np.zeros_like(line)


register("Pad", _pad_infer, _pad_run, arguments.move_work, since=2)

"""Normalisation by mean and variance, and by root mean square. TENSOR-19"""

from __future__ import annotations

import math

import numpy as np

from synnergy.tensor.kernels.program import Operand, bits
from synnergy.tensor.kernels.steps import Step
from synnergy.tensor.lowering.registry import Site, lowers
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.normalization import stash, trailing_axes


def _stripped(shape: tuple[int, ...]) -> tuple[int, ...]:
    leading = next((axis for axis, size in enumerate(shape) if size != 1), len(shape))
    return shape[leading:]


def _fitted(
    site: Site, factors: list[Operand | None], shape: tuple[int, ...], axes: int
) -> list[Operand | None] | None:
    """Factors that broadcast to `shape` as ones that repeat: all of one shape, its last dimensions
    and at least `axes` of them. None where they can't be had before a run."""
    needed = [len(_stripped(factor.shape)) for factor in factors if factor is not None]
    wanted = shape[len(shape) - max(axes, *needed) :]
    fitted: list[Operand | None] = []
    for factor in factors:
        if factor is None or _stripped(factor.shape) == _stripped(wanted):
            fitted.append(factor)
        elif factor.const is not None:
            plain = factor.const.reshape(_stripped(factor.shape))
            fitted.append(site.builder.constant(np.broadcast_to(plain, wanted)))
        else:
            return None
    return fitted


def _rows(
    site: Site, factors: tuple[Operand | None, Operand | None], n: int, span: int, centred: bool
) -> list[Operand] | None:
    """Normalise rows of n elements; factor number i / span belongs to element i."""
    x = site.inputs[0]
    scale, bias = factors
    if x is None or scale is None or not x.elements:
        return None
    kinds = {x.dtype, scale.dtype, *([bias.dtype] if bias is not None else [])}
    if kinds not in ({"float32"}, {"float64"}):
        return None
    shown = [site.result(place) for place in range(1, len(site.node.outputs))]
    mean, inverse = (*shown, None, None)[:2]
    epsilon = bits(arguments.number(site.node, "epsilon", 1e-5))
    result = site.result()
    head = (result, x, scale, bias, mean, inverse, x.code, int(centred), x.elements // n, n)
    site.builder.step(Step.NORMALISE_ROWS, *head, epsilon, span, scale.elements)
    return [result, *shown]


@lowers("LayerNormalization", "RMSNormalization")
def layer_normalization(site: Site) -> list[Operand] | None:
    x, scale, bias = (*site.inputs, None)[:3]
    if x is None or scale is None or site.outputs[0].dtype != x.dtype:
        return None
    if len(site.node.outputs) > 1 and stash(site.node) != x.dtype:
        return None
    axes = trailing_axes(site.node, len(x.shape))
    fitted = _fitted(site, [scale, bias], x.shape, len(axes))
    if fitted is None:
        return None
    n = math.prod(x.shape[axis] for axis in axes)
    centred = site.node.operator == "LayerNormalization"
    return _rows(site, (fitted[0], fitted[1]), n, 1, centred)


@lowers("InstanceNormalization", "GroupNormalization")
def group_normalization(site: Site) -> list[Operand] | None:
    x, scale, bias = site.inputs
    if x is None or scale is None or not x.elements:
        return None
    spatial = math.prod(x.shape[2:])
    if site.node.operator == "InstanceNormalization":
        return _rows(site, (scale, bias), spatial, spatial, True)
    channels = x.shape[1] // arguments.integer(site.node, "num_groups")
    span = spatial if site.node.opset >= 21 else spatial * channels
    return _rows(site, (scale, bias), spatial * channels, span, True)

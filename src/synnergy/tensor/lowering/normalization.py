"""Normalisation by mean and variance, and by root mean square. TENSOR-19"""

from __future__ import annotations

import math

import numpy as np

from synnergy.tensor.kernels.program import Operand, bits
from synnergy.tensor.kernels.steps import Step
from synnergy.tensor.lowering import reduction
from synnergy.tensor.lowering.elementwise import Binary, Unary, binary, converted, scalar, unary
from synnergy.tensor.lowering.reduction import Finish, Operation
from synnergy.tensor.lowering.registry import Site, lowers
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.normalization import mean_variance_axes, trailing_axes
from synnergy.tensor.types import DTYPES


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


def _widened(site: Site, factor: Operand | None, dtype: str) -> Operand | None:
    """A factor in the type that the rows are computed in; a constant is converted beforehand."""
    if factor is None or factor.dtype == dtype:
        return factor
    if factor.const is not None:
        return site.builder.constant(factor.const.astype(DTYPES[dtype]))
    return converted(site.builder, factor, dtype)


def _rows(
    site: Site, factors: list[Operand | None], n: int, span: int, centred: bool
) -> list[Operand] | None:
    """Normalise rows of n elements; factor number i / span belongs to element i."""
    x, builder = site.inputs[0], site.builder
    if x is None or not x.elements:
        return None
    dtype = "float64" if x.dtype == "float64" else "float32"
    wide = converted(builder, x, dtype)
    scale, bias = (_widened(site, factor, dtype) for factor in factors)
    if scale is None:
        return None
    count = len(site.node.outputs)
    results = [builder.tensor(dtype, site.outputs[place].shape) for place in range(count)]
    mean, inverse = (*results[1:], None, None)[:2]
    epsilon = bits(arguments.number(site.node, "epsilon", 1e-5))
    head = (results[0], wide, scale, bias, mean, inverse, wide.code, int(centred))
    builder.step(Step.NORMALISE_ROWS, *head, x.elements // n, n, epsilon, span, scale.elements)
    kinds = zip(results, site.outputs, strict=False)
    return [converted(builder, result, kind.dtype) for result, kind in kinds]


@lowers("LayerNormalization", "RMSNormalization")
def layer_normalization(site: Site) -> list[Operand] | None:
    x, scale, bias = (*site.inputs, None)[:3]
    if x is None or scale is None:
        return None
    axes = trailing_axes(site.node, len(x.shape))
    factors = _fitted(site, [scale, bias], x.shape, len(axes))
    if factors is None:
        return None
    n = math.prod(x.shape[axis] for axis in axes)
    return _rows(site, factors, n, 1, site.node.operator == "LayerNormalization")


@lowers("InstanceNormalization", "GroupNormalization")
def group_normalization(site: Site) -> list[Operand] | None:
    x, scale, bias = site.inputs
    if x is None:
        return None
    spatial = math.prod(x.shape[2:])
    if site.node.operator == "InstanceNormalization":
        return _rows(site, [scale, bias], spatial, spatial, True)
    channels = x.shape[1] // arguments.integer(site.node, "num_groups")
    span = spatial if site.node.opset >= 21 else spatial * channels
    return _rows(site, [scale, bias], spatial * channels, span, True)


@lowers("MeanVarianceNormalization")
def mean_variance_normalization(site: Site) -> list[Operand] | None:
    x, builder = site.inputs[0], site.builder
    if x is None or not x.elements:
        return None
    axes = mean_variance_axes(site.node, len(x.shape))
    wide = converted(builder, x, "float64" if x.dtype == "float64" else "float32")
    mean = reduction.reduced(builder, wide, axes, Operation.SUM, Finish.MEAN)
    centred = binary(builder, Binary.SUB, wide, mean)
    variance = reduction.reduced(builder, centred, axes, Operation.SQUARE_SUM, Finish.MEAN)
    deviation = unary(builder, Unary.SQRT, variance)
    divisor = binary(builder, Binary.ADD, deviation, scalar(builder, wide.dtype, 1e-9))
    return [converted(builder, binary(builder, Binary.DIV, centred, divisor), x.dtype)]


@lowers("LRN")
def local_normalization(site: Site) -> list[Operand] | None:
    x, node, builder = site.inputs[0], site.node, site.builder
    if x is None or not x.elements:
        return None
    size = arguments.integer(node, "size")
    wide = converted(builder, x, "float64" if x.dtype == "float64" else "float32")
    base = builder.tensor(wide.dtype, x.shape)
    shape = (x.shape[0], x.shape[1], math.prod(x.shape[2:]), (size - 1) // 2, size // 2)
    factors = (arguments.number(node, "alpha", 1e-4) / size, arguments.number(node, "bias", 1.0))
    builder.step(Step.LOCAL_SQUARES, base, wide, wide.code, *shape, *map(bits, factors))
    beta = scalar(builder, wide.dtype, arguments.number(node, "beta", 0.75))
    divisor = binary(builder, Binary.POWER, base, beta)
    return [converted(builder, binary(builder, Binary.DIV, wide, divisor), x.dtype)]

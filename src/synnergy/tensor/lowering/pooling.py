"""Poolings, and batch normalisation on its own. TENSOR-18, TENSOR-19, TENSOR-23"""

from __future__ import annotations

from enum import IntEnum

from synnergy.tensor.kernels.program import Operand, bits
from synnergy.tensor.kernels.steps import Step
from synnergy.tensor.lowering import reduction
from synnergy.tensor.lowering.convolution import geometry_of, plane_band, plane_scratch
from synnergy.tensor.lowering.reduction import Finish, Operation
from synnergy.tensor.lowering.registry import Site, lowers
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.windows import input_windows


class Pooling(IntEnum):
    """What is made of a window, as `c/pool.c` numbers it."""

    LARGEST = 0
    MEAN = 1
    ABSOLUTE_SUM = 2
    SQUARES_ROOT = 3


_BY_ORDER = {1: Pooling.ABSOLUTE_SUM, 2: Pooling.SQUARES_ROOT}


@lowers("MaxPool", "AveragePool", "LpPool")
def pool(site: Site) -> list[Operand] | None:
    node, x = site.node, site.inputs[0]
    kernel = arguments.integers(node, "kernel_shape")
    if x is None or not kernel:
        return None
    operation = {"MaxPool": Pooling.LARGEST, "AveragePool": Pooling.MEAN}.get(node.operator)
    if operation is None:
        operation = _BY_ORDER.get(arguments.integer(node, "p", 2))
    if operation is None:
        return None
    wanted = 2 if len(node.outputs) > 1 and node.outputs[1] else 1
    results = [site.result(position) for position in range(wanted)]
    if not results[0].elements:
        return results
    windows = input_windows(node, x.shape, kernel, arguments.flag(node, "ceil_mode"))
    geometry = geometry_of(windows, x.shape[0], x.shape[2:], x.shape[1], x.shape[1], x.shape[1])
    padding = int(arguments.flag(node, "count_include_pad"))
    after = (0,) * (3 - len(windows.after)) + windows.after
    if x.dtype == "float32" and len(results) == 1 and geometry.flat:
        band = plane_band(geometry)
        scratch = plane_scratch(geometry, band) + 4 * (geometry.output[2] + 16)
        site.builder.step(
            Step.POOL_PLANES_F32,
            *(results[0], x, operation, padding, band, site.builder.thread_scratch(scratch)),
            *(*geometry.words(), *after),
        )
        return results
    columns = arguments.integer(node, "storage_order", 0)
    site.builder.step(
        Step.POOL,
        *(results[0], results[1] if len(results) > 1 else None, x, x.code, operation),
        *(padding, columns, *geometry.words(), *after),
    )
    return results


@lowers("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def global_pool(site: Site) -> list[Operand] | None:
    x, order = site.inputs[0], arguments.integer(site.node, "p", 2)
    if x is None or not x.elements:
        return None
    made = {
        "GlobalAveragePool": (Operation.SUM, Finish.MEAN),
        "GlobalMaxPool": (Operation.LARGEST, Finish.AS_IS),
        "GlobalLpPool": {
            1: (Operation.ABSOLUTE_SUM, Finish.AS_IS),
            2: (Operation.SQUARE_SUM, Finish.ROOT),
        }.get(order),
    }[site.node.operator]
    if made is None:
        return None
    result = site.result()
    reduction.emit(site.builder, result, x, tuple(range(2, len(x.shape))), *made)
    return [result]


@lowers("BatchNormalization")
def batch_normalisation(site: Site) -> list[Operand] | None:
    x, scale, bias, mean, variance = site.inputs
    if x is None or scale is None or bias is None or mean is None or variance is None:
        return None
    dtypes = {operand.dtype for operand in (scale, bias, mean, variance)}
    if len(dtypes) != 1 or not dtypes <= {x.dtype, "float32" if x.dtype == "float16" else x.dtype}:
        return None
    result = site.result()
    if x.elements:
        channels, images = x.shape[1], x.shape[0]
        site.builder.step(
            Step.BATCH_NORMALISE,
            *(result, x, scale, bias, mean, variance),
            *(bits(arguments.number(site.node, "epsilon", 1e-5)), x.code, scale.code),
            *(channels, x.elements // channels // images, images),
        )
    return [result]

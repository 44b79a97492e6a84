"""Softmax and its kin: what becomes of each row along an axis. TENSOR-22"""

from __future__ import annotations

import math
from enum import IntEnum

from synnergy.tensor.kernels.program import Operand
from synnergy.tensor.kernels.steps import Step
from synnergy.tensor.lowering.elementwise import Binary, binary, converted
from synnergy.tensor.lowering.functions import Function, apply
from synnergy.tensor.lowering.reduction import Finish, Operation, reduced
from synnergy.tensor.lowering.registry import Site, lowers
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.activation import softmax_axes


class Form(IntEnum):
    """What becomes of a row, as `norm.c` numbers it."""

    SOFTMAX = 0
    LOG_SOFTMAX = 1
    HARDMAX = 2
    LP1 = 3
    LP2 = 4


_FORMS = {"Softmax": Form.SOFTMAX, "LogSoftmax": Form.LOG_SOFTMAX, "Hardmax": Form.HARDMAX}
#: Rows that a thread gathers at a time where their elements don't lie side by side, and as many
#: results.
_GATHERED = 32


def _along(site: Site, form: Form, axes: tuple[int, ...]) -> list[Operand] | None:
    x, builder = site.inputs[0], site.builder
    if x is None or not x.elements:
        return None
    if x.dtype == "float16":
        if form in (Form.SOFTMAX, Form.LOG_SOFTMAX):
            return [_step_by_step(site, form, x, axes)]
        x = converted(builder, x, "float32")
    n = math.prod(x.shape[axis] for axis in axes)
    inner = math.prod(x.shape[axes[-1] + 1 :]) if axes else 1
    scratch = None
    if inner > 1:
        scratch = builder.thread_scratch(_GATHERED * n * x.itemsize)
    result = builder.tensor(x.dtype, x.shape)
    outer = x.elements // (n * inner)
    builder.step(Step.FORM_AXIS, result, x, x.code, form, outer, n, inner, scratch)
    return [converted(builder, result, site.outputs[0].dtype)]


def _step_by_step(site: Site, form: Form, x: Operand, axes: tuple[int, ...]) -> Operand:
    """Softmax of float16, to which every step is rounded."""
    builder = site.builder

    def rounded(function: Function, x: Operand) -> Operand:
        wide = converted(builder, x, "float64")
        return converted(builder, apply(site, function, wide, 0.0, 0.0), "float16")

    largest = reduced(builder, x, axes, Operation.LARGEST, Finish.AS_IS)
    shifted = binary(builder, Binary.SUB, x, largest)
    powers = rounded(Function.EXP, shifted)
    total = reduced(builder, powers, axes, Operation.SUM, Finish.AS_IS)
    if form == Form.SOFTMAX:
        return binary(builder, Binary.DIV, powers, total)
    return binary(builder, Binary.SUB, shifted, rounded(Function.LOG, total))


@lowers(*_FORMS)
def softmax(site: Site) -> list[Operand] | None:
    rank = len(site.outputs[0].shape)
    return _along(site, _FORMS[site.node.operator], softmax_axes(site.node, rank))


@lowers("LpNormalization")
def lp_normalization(site: Site) -> list[Operand] | None:
    rank = len(site.outputs[0].shape)
    axis = arguments.axis_of(arguments.integer(site.node, "axis", -1), rank)
    squared = arguments.integer(site.node, "p", 2) == 2
    return _along(site, Form.LP2 if squared else Form.LP1, (axis,))

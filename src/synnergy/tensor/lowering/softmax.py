"""Softmax and its kin: what becomes of each row along an axis. TENSOR-22"""

from __future__ import annotations

import math
from enum import IntEnum

from synnergy.tensor.kernels.program import Operand
from synnergy.tensor.kernels.steps import Step
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
    x = site.inputs[0]
    if x is None or x.dtype == "float16" or not x.elements:
        return None
    n = math.prod(x.shape[axis] for axis in axes)
    inner = math.prod(x.shape[axes[-1] + 1 :]) if axes else 1
    scratch = None
    if inner > 1:
        scratch = site.builder.thread_scratch(_GATHERED * n * x.itemsize)
    result = site.result()
    outer = x.elements // (n * inner)
    site.builder.step(Step.FORM_AXIS, result, x, x.code, form, outer, n, inner, scratch)
    return [result]


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

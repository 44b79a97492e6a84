"""RNN, GRU and LSTM: the inputs' product for all times at once, then one step. SHAPE-90"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from synnergy.tensor.environment import quiet
from synnergy.tensor.kernels.program import Builder, Operand, bits
from synnergy.tensor.kernels.steps import Step
from synnergy.tensor.lowering.elementwise import converted
from synnergy.tensor.lowering.matmul import Factor, packed
from synnergy.tensor.lowering.registry import Site, lowers
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.recurrent import DIRECTIONS
from synnergy.tensor.operators.recurrent_activations import named_activations
from synnergy.tensor.types import Array

#: As kernels number them: kind of cell, gates, and the default activations.
_CELLS = {
    "RNN": (0, 1, ("Tanh",)),
    "GRU": (1, 3, ("Sigmoid", "Tanh")),
    "LSTM": (2, 4, ("Sigmoid", "Tanh", "Tanh")),
}
_ACTIVATIONS = (
    *("relu", "tanh", "sigmoid", "softsign", "softplus", "leakyrelu", "thresholdedrelu", "elu"),
    *("affine", "scaledtanh", "hardsigmoid"),
)
#: Rows of the batch that a kernel has at hand, and floats of scratch for each beside its states.
_ROWS, _SLOTS = 64, 4 * 48
_STATES = 5
#: From so many rows on the inputs' product is taken time by time.
_MANY = 8


@dataclass(frozen=True, slots=True)
class _Strides:
    """How far apart times and rows lie in X and in its product, times, rows and directions in Y,
    and rows and directions in the states."""

    x: tuple[int, int]
    start: tuple[int, int]
    y: tuple[int, int, int]
    state: tuple[int, int]


def _part(operand: Operand, index: int, apart: int, shape: tuple[int, ...]) -> Operand:
    """The part of an operand for a direction, which begins `apart` elements after the last."""
    skipped = index * apart
    const = None
    if operand.const is not None:
        const = operand.const.reshape(-1)[skipped : skipped + math.prod(shape)].reshape(shape)
    place = operand.offset + skipped * operand.itemsize
    return Operand(operand.dtype, shape, operand.buffer, place, const)


def _state(operand: Operand | None, direction: int, apart: int) -> Operand | None:
    """A state's place for a direction: rows lie apart, so that only its beginning is said."""
    if operand is None:
        return None
    place = operand.offset + direction * apart * operand.itemsize
    return Operand(operand.dtype, operand.shape, operand.buffer, place)


@quiet
def _start(b: Operand | None, direction: int, rows: int, linear: int) -> tuple[Array, Array]:
    """What x W^T starts from, and the bias of GRU's last gate inside the reset."""
    if b is None or b.const is None:
        return np.zeros(rows, np.float32), np.zeros(rows // 3, np.float32)
    w_bias, r_bias = b.const[direction, :rows], b.const[direction, rows:]
    start: Array = w_bias + r_bias
    if linear:
        start = np.concatenate([start[: rows // 3 * 2], w_bias[rows // 3 * 2 :]])
    return start, r_bias[rows // 3 * 2 :]


def _widened(builder: Builder, x: Operand) -> Operand:
    """float16 as float32: it is rounded once, at the end. SHAPE-92"""
    if x.dtype == "float32":
        return x
    if x.const is not None:
        return builder.constant(x.const.astype(np.float32))
    return converted(builder, x, "float32")


@lowers("RNN", "GRU", "LSTM")
def recurrent(site: Site) -> list[Operand] | None:
    x, w, r, b, lengths, h, c, peepholes = (*site.inputs, *[None] * 5)[:8]
    node, builder = site.node, site.builder
    if x is None or w is None or r is None or x.dtype == "float64" or not x.elements:
        return None
    if not r.shape[2] or (b is not None and b.const is None):
        return None
    dtype = x.dtype
    x, w, r = _widened(builder, x), _widened(builder, w), _widened(builder, r)
    b, h, c, peepholes = (
        None if each is None else _widened(builder, each) for each in (b, h, c, peepholes)
    )
    cell, gates, defaults = _CELLS[node.operator]
    batch_first = node.opset >= 14 and arguments.integer(node, "layout", 0, 0, 1) == 1
    times, batch, inputs = x.shape
    if batch_first:
        batch, times = times, batch
    directions, rows, hidden = r.shape
    linear = arguments.flag(node, "linear_before_reset") if node.operator == "GRU" else 0
    coupled = arguments.flag(node, "input_forget") if node.operator == "LSTM" else 0
    functions = named_activations(node, defaults, directions)
    reverse = arguments.text(node, "direction", "forward", DIRECTIONS) == "reverse"
    clip = arguments.number(node, "clip", math.inf)
    strides = _strides(batch_first, (times, batch, inputs), directions, rows, hidden)
    results = [builder.tensor("float32", kind.shape) for kind in site.outputs]
    outputs = (*results, None, None)[:3]
    ld = -(-hidden // 16) * 16
    scratch = builder.thread_scratch(4 * _ROWS * (_STATES * ld + _SLOTS + inputs))
    # Few rows: one product for all times reads W once. Many: both products while gates are cached.
    together = batch >= _MANY
    for direction in range(directions):
        start, inner = _start(b, direction, rows, linear)
        part_w = _part(w, direction, rows * inputs, (rows, inputs))
        part_r = _part(r, direction, rows * hidden, (rows, hidden))
        each = Factor(part_w, inputs, hidden, 1, inputs)
        given = wide = None
        if together:
            given, wide = x, packed(builder, each, [(gates, inputs * hidden)])
            begin, apart = builder.constant(start), (0, 0)
        else:
            begin, apart = builder.tensor("float32", (times * batch, rows)), strides.start
            builder.step(
                Step.MATMUL_F32,
                *(begin, x, packed(builder, Factor(part_w, inputs, rows, 1, inputs), ())),
                *(builder.constant(start), times * batch, rows, inputs, inputs, rows, 0, 1, 0, 0),
            )
        chosen = [*functions[direction], *[functions[direction][0]] * 2][:3]
        builder.step(
            Step.RECURRENT_F32,
            cell,
            _state(outputs[0], direction, strides.y[2]),
            *(_state(output, direction, strides.state[1]) for output in outputs[1:]),
            *(given, wide, begin),
            packed(builder, Factor(part_r, hidden, hidden, 1, hidden), [(gates, hidden * hidden)]),
            builder.constant(inner) if linear else None,
            _state(peepholes, direction, 3 * hidden),
            *(_state(state, direction, strides.state[1]) for state in (h, c)),
            *(lengths, times, batch, inputs, hidden, reverse or direction == 1, linear or coupled),
            *(*strides.x, *apart, *strides.y[:2], strides.state[0], bits(float(np.float32(clip)))),
            *(
                word
                for name, alpha, beta in chosen
                for word in (_ACTIVATIONS.index(name), bits(alpha), bits(beta))
            ),
            scratch,
        )
    return [converted(builder, result, dtype) for result in results]


def _strides(
    batch_first: bool, sizes: tuple[int, int, int], directions: int, rows: int, hidden: int
) -> _Strides:
    times, batch, inputs = sizes
    each, whole = directions * hidden, batch * hidden
    if batch_first:
        return _Strides(
            (inputs, times * inputs),
            (rows, times * rows),
            (each, times * each, hidden),
            (each, hidden),
        )
    return _Strides(
        (batch * inputs, inputs),
        (batch * rows, rows),
        (directions * whole, hidden, whole),
        (hidden, whole),
    )

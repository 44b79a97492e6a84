"""RNN, GRU and LSTM.

SHAPE-90: for all steps at once, x = X W^T starting from the sum of both biases; at each step the
gates are H R^T starting from x (TENSOR-10). A peephole's product is added after that, then
`clip` bounds the sum, then the activation follows. Everything else is a separate multiplication
and addition, in the order of the formulas below.
SHAPE-92: past a sequence's length Y is +0 and the states stay; a reverse direction reads each
sequence from its own end. Y_h and Y_c are the states at the end, +0 where a length is 0. float16
is computed in float32 and rounded once at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from synnergy.tensor import numerics
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.recurrent_activations import Activation, activations
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import Array, BadInput, Node, Refuse, Value, ValueType, Work

DIRECTIONS = ("forward", "reverse", "bidirectional")
_FLOATS = arguments.FLOATS


@dataclass(frozen=True, slots=True)
class _Cell:
    """What tells the three operators apart: gates in W, default activations, states, inputs.

    elements and functions are operations per step and hidden unit.
    """

    gates: int
    defaults: tuple[str, ...]
    states: int
    inputs: int
    elements: int
    functions: int


_RNN = _Cell(1, ("Tanh",), 1, 6, 3, 1)
_GRU = _Cell(3, ("Sigmoid", "Tanh"), 1, 6, 12, 3)
_LSTM = _Cell(4, ("Sigmoid", "Tanh", "Tanh"), 2, 8, 24, 5)


@dataclass(frozen=True, slots=True)
class _Sizes:
    directions: int
    steps: int
    batch: int
    inputs: int
    hidden: int
    batch_first: bool


def _sizes(node: Node, shapes: Sequence[tuple[int, ...] | None], cell: _Cell) -> _Sizes:
    """Sizes from the shapes of X, W and R; every other input's shape must fit them."""
    direction = arguments.text(node, "direction", "forward", DIRECTIONS)
    directions = 2 if direction == "bidirectional" else 1
    batch_first = node.opset >= 14 and arguments.integer(node, "layout", 0, 0, 1) == 1
    x, w, r, b, lengths, *states = (*shapes, *[None] * (8 - len(shapes)))
    if x is None or w is None or r is None or not len(x) == len(w) == len(r) == 3:
        raise Refuse("X, W and R must be of rank 3")
    hidden = r[2]
    if arguments.integer(node, "hidden_size", hidden) != hidden:
        raise Refuse(f"hidden_size isn't {hidden}, the size of R")
    steps, batch = (x[1], x[0]) if batch_first else (x[0], x[1])
    rows = cell.gates * hidden
    state = (batch, directions, hidden) if batch_first else (directions, batch, hidden)
    expected = (
        ("W", w, (directions, rows, x[2])),
        ("R", r, (directions, rows, hidden)),
        ("B", b, (directions, 2 * rows)),
        ("sequence_lens", lengths, (batch,)),
        ("initial_h", states[0], state),
        ("initial_c", states[1], state),
        ("P", states[2], (directions, 3 * hidden)),
    )
    for name, shape, wanted in expected:
        if shape is not None and shape != wanted:
            raise Refuse(f"{name} is of shape {shape} where {wanted} belongs")
    return _Sizes(directions, steps, batch, x[2], hidden, batch_first)


def _checked(node: Node, inputs: Sequence[Value | None], cell: _Cell) -> _Sizes:
    arguments.arity(node, inputs, 3, cell.inputs, 1 + cell.states)
    floats = [value for place, value in enumerate(inputs) if value is not None and place != 4]
    arguments.same_dtype(floats)
    arguments.one_of(floats[0], _FLOATS, "X")
    lengths = arguments.optional(inputs, 4)
    if lengths is not None:
        arguments.one_of(lengths, ("int32",), "sequence_lens")
    sizes = _sizes(node, [None if value is None else value.shape for value in inputs], cell)
    activations(node, cell.defaults, sizes.directions)
    if not arguments.number(node, "clip", np.inf) >= 0:
        raise Refuse("attribute clip is below zero")
    arguments.flag(node, "input_forget")
    arguments.flag(node, "linear_before_reset")
    return sizes


def _work(sizes: _Sizes, cell: _Cell) -> Work:
    """Both matrix products of every step, the gates' arithmetic, a dispatch for each step."""
    steps = sizes.directions * sizes.steps
    units = steps * sizes.batch * sizes.hidden
    return Work(
        macs=units * cell.gates * (sizes.inputs + sizes.hidden),
        elements=units * cell.elements,
        functions=units * cell.functions,
        steps=1 + steps,
    )


@dataclass(frozen=True, slots=True)
class _Weights:
    """One direction: W^T and R^T, both biases, peepholes, functions and the bound."""

    w: Array
    r: Array
    w_bias: Array
    r_bias: Array
    peepholes: Array
    functions: list[Activation]
    clip: float

    def bounded(self, x: Array) -> Array:
        if not np.isfinite(self.clip):
            return x
        bound = x.dtype.type(self.clip)
        return np.where(x > bound, bound, np.where(x < -bound, -bound, x))

    def gate(self, function: int, x: Array) -> Array:
        return self.functions[function](self.bounded(x))


#: (weights, x of this step [batch, gates * hidden], states) -> states after the step.
_Step = Callable[[_Weights, Array, list[Array]], list[Array]]


def _rnn_step(node: Node) -> _Step:
    def step(weights: _Weights, x: Array, states: list[Array]) -> list[Array]:
        return [weights.gate(0, numerics.matmul(states[0], weights.r, x))]

    return step


def _gru_step(node: Node) -> _Step:
    """z, r = f(…); h~ = g(x + (r * H) R^T), or g(x + r * (H R^T + b)); (1 - z) * h~ + z * H."""
    linear = arguments.flag(node, "linear_before_reset")

    def step(weights: _Weights, x: Array, states: list[Array]) -> list[Array]:
        (h,) = states
        size = h.shape[1]
        gates = weights.gate(0, numerics.matmul(h, weights.r[:, : 2 * size], x[:, : 2 * size]))
        update, reset = gates[:, :size], gates[:, size:]
        last, candidate = weights.r[:, 2 * size :], x[:, 2 * size :]
        if linear:
            bias = weights.r_bias[2 * size :]
            raw = candidate + reset * numerics.matmul(h, last, bias)
        else:
            raw = numerics.matmul(reset * h, last, candidate)
        proposal = weights.gate(1, raw)
        return [(h.dtype.type(1) - update) * proposal + update * h]

    return step


def _lstm_step(node: Node) -> _Step:
    """i, o, f, c~ in this order of gates; C = f * C + i * c~; H = o * h(C)."""
    coupled = arguments.flag(node, "input_forget")

    def step(weights: _Weights, x: Array, states: list[Array]) -> list[Array]:
        h, c = states
        size = h.shape[1]
        gates = numerics.matmul(h, weights.r, x)
        i, o, f, new = (gates[:, place * size : (place + 1) * size] for place in range(4))
        p_i, p_o, p_f = (
            weights.peepholes[place * size : (place + 1) * size] for place in range(3)
        )
        peeps = weights.peepholes.size > 0
        entering = weights.gate(0, i + p_i * c if peeps else i)
        if coupled:
            kept = h.dtype.type(1) - entering
        else:
            kept = weights.gate(0, f + p_f * c if peeps else f)
        cell = kept * c + entering * weights.gate(1, new)
        leaving = weights.gate(0, o + p_o * cell if peeps else o)
        return [leaving * weights.functions[2](cell), cell]

    return step


def _weights(
    node: Node, inputs: Sequence[Array | None], sizes: _Sizes, cell: _Cell
) -> list[_Weights]:
    w, r, b = arguments.present(inputs, 1), arguments.present(inputs, 2), inputs[3:4]
    peepholes = arguments.given(inputs, 7)
    rows = cell.gates * sizes.hidden
    bias = b[0] if b and b[0] is not None else np.zeros((sizes.directions, 2 * rows), w.dtype)
    clip = arguments.number(node, "clip", np.inf)
    return [
        _Weights(
            w[direction].T,
            r[direction].T,
            bias[direction, :rows],
            bias[direction, rows:],
            np.zeros(0, w.dtype) if peepholes is None else peepholes[direction],
            functions,
            clip,
        )
        for direction, functions in enumerate(activations(node, cell.defaults, sizes.directions))
    ]


def _reversed(x: Array, lengths: Array) -> Array:
    """[steps, batch, …] with the first `length` steps of each sequence in reverse."""
    line = np.arange(x.shape[0], dtype=np.int64)[:, None]
    places = np.where(line < lengths, lengths - 1 - line, line)
    return np.take_along_axis(x, places[:, :, None], 0)


def _run_direction(
    x: Array, weights: _Weights, states: list[Array], lengths: Array, step: _Step, linear: bool
) -> tuple[Array, list[Array]]:
    """Y [steps, batch, hidden] and the last states of a forward pass."""
    steps, batch, _ = x.shape
    hidden = states[0].shape[1]
    start = weights.w_bias + weights.r_bias
    if linear:  # the bias of the last gate's recurrence belongs inside the reset. SHAPE-93
        start = np.concatenate([start[: 2 * hidden], weights.w_bias[2 * hidden :]])
    flat = numerics.matmul(x.reshape(steps * batch, x.shape[2]), weights.w, start)
    projected = flat.reshape(steps, batch, start.shape[0])
    y = np.zeros((steps, batch, hidden), x.dtype)
    for time in range(steps):
        active = (time < lengths)[:, None]
        after = step(weights, projected[time], states)
        states = [np.where(active, new, old) for new, old in zip(after, states, strict=True)]
        y[time] = np.where(active, states[0], x.dtype.type(0))
    empty = (lengths == 0)[:, None]
    return y, [np.where(empty, x.dtype.type(0), state) for state in states]


def _lengths(inputs: Sequence[Array | None], sizes: _Sizes) -> Array:
    array = arguments.given(inputs, 4)
    if array is None:
        return np.full(sizes.batch, sizes.steps, np.int64)
    if ((array < 0) | (array > sizes.steps)).any():
        raise BadInput(f"a sequence length is outside 0..{sizes.steps}")
    return array.astype(np.int64)


def _run(
    node: Node, inputs: Sequence[Array | None], cell: _Cell, step: _Step, linear: bool = False
) -> list[Array]:
    dtype = arguments.present(inputs, 0).dtype
    wide = [
        array.astype(np.float32) if array is not None and array.dtype == np.float16 else array
        for array in inputs
    ]
    sizes = _sizes(node, [None if array is None else array.shape for array in inputs], cell)
    lengths = _lengths(inputs, sizes)
    x = arguments.present(wide, 0)
    x = x.swapaxes(0, 1) if sizes.batch_first else x
    initial = [arguments.given(wide, 5 + state) for state in range(cell.states)]
    zeros = np.zeros((sizes.directions, sizes.batch, sizes.hidden), x.dtype)
    given = [
        zeros if state is None else state.swapaxes(0, 1) if sizes.batch_first else state
        for state in initial
    ]
    reverse = arguments.text(node, "direction", "forward", DIRECTIONS) == "reverse"
    outputs: list[Array] = []
    finals: list[list[Array]] = []
    for direction, weights in enumerate(_weights(node, wide, sizes, cell)):
        backwards = reverse or direction == 1
        source = _reversed(x, lengths) if backwards else x
        states = [state[direction] for state in given]
        y, states = _run_direction(source, weights, states, lengths, step, linear)
        outputs.append(_reversed(y, lengths) if backwards else y)
        finals.append(states)
    y = np.stack(outputs, 1)
    last = [np.stack(states) for states in zip(*finals, strict=True)]
    if sizes.batch_first:
        y = y.transpose(2, 0, 1, 3)
        last = [state.swapaxes(0, 1) for state in last]
    return [np.array(result, dtype, order="C") for result in (y, *last)][: len(node.outputs)]


def _declare(name: str, cell: _Cell, step: Callable[[Node], _Step], since: int) -> None:
    def infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
        sizes = _checked(node, inputs, cell)
        dtype = arguments.required(inputs, 0).dtype
        ends = (sizes.directions, sizes.batch, sizes.hidden)
        shape = (sizes.steps, *ends)
        if sizes.batch_first:
            ends = (sizes.batch, sizes.directions, sizes.hidden)
            shape = (sizes.batch, sizes.steps, sizes.directions, sizes.hidden)
        arguments.tensor(dtype, (sizes.steps, sizes.batch, cell.gates * sizes.hidden))
        types: list[ValueType] = [arguments.tensor(dtype, shape)]
        types += [arguments.tensor(dtype, ends)] * cell.states
        return types[: len(node.outputs)]

    @numerics.quiet
    def run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
        linear = cell is _GRU and arguments.flag(node, "linear_before_reset")
        return _run(node, inputs, cell, step(node), linear)

    def work(
        node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
    ) -> Work:
        """For each unit of each step: both products of its gates, their arithmetic and functions;
        a step of the sequence and direction is a step."""
        return _work(_checked(node, inputs, cell), cell)

    register(name, infer, run, work, since=since)


_declare("RNN", _RNN, _rnn_step, 7)
_declare("GRU", _GRU, _gru_step, 7)
_declare("LSTM", _LSTM, _lstm_step, 7)

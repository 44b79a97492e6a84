"""RNN, GRU and LSTM against onnxruntime, and their rules that it leaves open."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from synnergy.tensor.types import Array, BadInput, Refuse

from .oracle import check, infer, make, ours

RNG = np.random.default_rng(3)
STEPS, BATCH, INPUTS, HIDDEN = 4, 3, 2, 3
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
OUTPUTS = {"RNN": 2, "GRU": 2, "LSTM": 3}
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "RNN": [{}, {"clip": 0.3}],
    "GRU": [{}, {"clip": 0.3}, {"linear_before_reset": 1}],
    "LSTM": [{}, {"clip": 0.3}, {"input_forget": 1}],
}
CASES = [(name, variant) for name, variants in VARIANTS.items() for variant in variants]


def floats(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


def cell(name: str, directions: int, lengths: list[int] | None, full: bool) -> list[Array | None]:
    """Inputs of a cell; `full` gives biases, initial states and peepholes too."""
    rows = GATES[name] * HIDDEN
    state = (directions, BATCH, HIDDEN)
    inputs: list[Array | None] = [
        floats(STEPS, BATCH, INPUTS),
        floats(directions, rows, INPUTS),
        floats(directions, rows, HIDDEN),
        floats(directions, 2 * rows) if full else None,
        np.array(lengths, np.int32) if lengths else None,
        floats(*state) if full else None,
    ]
    if name == "LSTM" and full:
        inputs += [floats(*state), floats(directions, 3 * HIDDEN)]
    while inputs[-1] is None:
        inputs.pop()
    return inputs


@pytest.mark.parametrize(("name", "variant"), CASES)
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("lengths", [None, [4, 2, 1], [0, 4, 3]])
@pytest.mark.parametrize("full", [False, True])
def test_cells(
    name: str, variant: dict[str, Any], direction: str, lengths: list[int] | None, full: bool
) -> None:
    """SHAPE-90, SHAPE-92, SHAPE-93"""
    inputs = cell(name, 2 if direction == "bidirectional" else 1, lengths, full)
    options = {"hidden_size": HIDDEN, "direction": direction, **variant}
    check(name, inputs, options, 14, OUTPUTS[name], const=(), tolerance=1e-5)


@pytest.mark.parametrize(
    ("activation", "alpha", "beta"),
    [
        ("Relu", None, None),
        ("Affine", 0.3, 0.2),
        ("LeakyRelu", 0.2, None),
        ("ThresholdedRelu", 0.3, None),
        ("ScaledTanh", 0.5, 0.7),
        ("HardSigmoid", 0.3, 0.4),
        ("Elu", 0.6, None),
        ("Softsign", None, None),
        ("Softplus", None, None),
        ("HardSigmoid", None, None),
        ("LeakyRelu", None, None),
    ],
)
def test_activations(activation: str, alpha: float | None, beta: float | None) -> None:
    """SHAPE-91"""
    options: dict[str, Any] = {"hidden_size": HIDDEN, "activations": [activation]}
    options |= {"activation_alpha": [alpha]} if alpha is not None else {}
    options |= {"activation_beta": [beta]} if beta is not None else {}
    check("RNN", cell("RNN", 1, None, True), options, 14, 2, const=(), tolerance=1e-5)


def test_scaling_values_are_consumed_in_order() -> None:
    """SHAPE-91"""
    options = {
        "hidden_size": HIDDEN,
        "direction": "bidirectional",
        "activations": ["HardSigmoid", "LeakyRelu", "Affine", "Sigmoid", "ScaledTanh", "Tanh"],
        "activation_alpha": [0.3, 0.1, 0.9, 0.5],
        "activation_beta": [0.4, 0.2, 0.6],
    }
    check("LSTM", cell("LSTM", 2, None, True), options, 14, 3, const=(), tolerance=1e-5)


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_batch_first_is_the_same_numbers_turned(name: str) -> None:
    """SHAPE-90"""
    inputs = cell(name, 2, [4, 2, 1], True)
    options = {"hidden_size": HIDDEN, "direction": "bidirectional"}
    y, *ends = ours(make(name, inputs, options, OUTPUTS[name]), inputs, 14)
    turned = [
        array.swapaxes(0, 1) if array is not None and place in (0, 5, 6) else array
        for place, array in enumerate(inputs)
    ]
    proto = make(name, turned, {**options, "layout": 1}, OUTPUTS[name])
    other_y, *other_ends = ours(proto, turned, 14)
    assert other_y.tobytes() == y.transpose(2, 0, 1, 3).tobytes()
    for end, other in zip(ends, other_ends, strict=True):
        assert other.tobytes() == end.swapaxes(0, 1).tobytes()


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_a_batch_cannot_change_a_row(name: str) -> None:
    """SHAPE-90"""
    inputs = cell(name, 1, None, True)
    options = {"hidden_size": HIDDEN}
    (whole,) = ours(make(name, inputs, options, 1), inputs, 14)
    one = [
        array[:, 1:2] if array is not None and place in (0, 5, 6) else array
        for place, array in enumerate(inputs)
    ]
    (alone,) = ours(make(name, one, options, 1), one, 14)
    assert alone.tobytes() == whole[:, :, 1:2].tobytes()


def test_work_counts_both_products_of_every_step() -> None:
    inputs = cell("LSTM", 2, None, False)
    options = {"hidden_size": HIDDEN, "direction": "bidirectional"}
    _, work = infer(make("LSTM", inputs, options, 3), inputs, 14)
    assert work.macs == 2 * STEPS * BATCH * 4 * HIDDEN * (INPUTS + HIDDEN)
    assert work.steps == 1 + 2 * STEPS


def test_an_impossible_length_is_bad_input() -> None:
    """SHAPE-92"""
    inputs = cell("GRU", 1, [4, 5, 1], True)
    with pytest.raises(BadInput, match=r"outside 0\.\.4"):
        ours(make("GRU", inputs, {"hidden_size": HIDDEN}, 2), inputs, 14)


@pytest.mark.parametrize(
    "options",
    [
        {"hidden_size": 4},
        {"direction": "sideways"},
        {"activations": ["Sigmoid"]},
        {"activations": ["Sigmoid", "Tanh", "Cosh"]},
        {"clip": -1.0},
        {"clip": float("nan")},
        {"layout": 2},
        {"direction": "bidirectional"},
    ],
)
def test_hostile_attributes_are_refused(options: dict[str, Any]) -> None:
    """SHAPE-1"""
    inputs = cell("LSTM", 1, None, True)
    with pytest.raises(Refuse):
        infer(make("LSTM", inputs, options, 3), inputs, 14)

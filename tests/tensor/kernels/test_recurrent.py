"""RNN, GRU and LSTM by the kernels: SHAPE-90 to SHAPE-93."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper

from synnergy.tensor import BadInput, load
from synnergy.tensor.kernels.selection import builds
from tests.tensor.kernels.same import assert_same, hostile_floats, model_of

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
FUNCTIONS = {"RNN": 1, "GRU": 2, "LSTM": 3}


def _compare(
    operator: str,
    hidden: int,
    batch: int,
    times: int = 5,
    inputs: int = 7,
    direction: str = "forward",
    optional: str = "",
    hostile: bool = False,
    dtype: str = "float32",
    **attributes: Any,
) -> None:
    """`optional` names inputs by letters: Bias, Lengths, H, C, P."""
    rng = np.random.default_rng([hidden, batch, times, len(optional)])
    directions = 2 if direction == "bidirectional" else 1
    rows = GATES[operator] * hidden
    first = attributes.get("layout", 0) == 1

    def numbers(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) * 0.4).astype(dtype)

    state = (batch, directions, hidden) if first else (directions, batch, hidden)
    weights = {"w": numbers(directions, rows, inputs), "r": numbers(directions, rows, hidden)}
    names = ["x", "w", "r"]
    given: dict[str, np.ndarray] = {
        "b": numbers(directions, 2 * rows),
        "l": rng.integers(0, times + 1, batch).astype(np.int32),
        "h": numbers(*state),
        "c": numbers(*state),
        "p": numbers(directions, 3 * hidden),
    }
    for letter in "blhcp"[: 5 if operator == "LSTM" else 3]:
        names.append(letter if letter in optional else "")
    constant = "blp" if first else "bp"  # lengths may come with the run
    weights |= {name: given[name] for name in constant if name in names}
    x = numbers(*((batch, times, inputs) if first else (times, batch, inputs)))
    if hostile:
        x = hostile_floats(x.shape, dtype, seed=batch)
    others = [name for name in "lhc" if name in names and name not in weights]
    arrays = {"x": x} | {name: given[name] for name in others}
    outputs = ["y", "y_h", "y_c"][: 3 if operator == "LSTM" else 2]
    node = helper.make_node(
        operator, names, outputs, hidden_size=hidden, direction=direction, **attributes
    )
    types = {name: (array.dtype.name, array.shape) for name, array in arrays.items()}
    assert_same(model_of([node], types, outputs, weights), arrays)


@pytest.mark.parametrize("operator", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize(("hidden", "batch"), [(1, 1), (17, 1), (48, 9), (100, 1), (290, 2)])
def test_sizes(operator: str, hidden: int, batch: int) -> None:
    _compare(operator, hidden, batch, times=4, optional="b")


@pytest.mark.parametrize("operator", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("direction", ["reverse", "bidirectional"])
@pytest.mark.parametrize("layout", [0, 1])
def test_directions_lengths_and_states(operator: str, direction: str, layout: int) -> None:
    optional = "blhc"
    _compare(operator, 19, 70, direction=direction, optional=optional, layout=layout)
    _compare(operator, 50, 1, direction=direction, optional=optional, layout=layout, times=3)


@pytest.mark.parametrize(
    ("operator", "attributes"),
    [
        ("GRU", {"linear_before_reset": 1}),
        ("GRU", {"linear_before_reset": 1, "clip": 0.3}),
        ("LSTM", {"input_forget": 1}),
        ("LSTM", {"clip": 0.25}),
        ("RNN", {"clip": 0.2}),
    ],
)
@pytest.mark.parametrize("batch", [1, 3])
def test_variants(operator: str, attributes: dict[str, Any], batch: int) -> None:
    optional = "bhcp"
    for direction in ("forward", "bidirectional"):
        _compare(operator, 35, batch, direction=direction, optional=optional, **attributes)
    _compare(operator, 5, batch, optional=optional, hostile=True, **attributes)


@pytest.mark.parametrize("operator", ["RNN", "GRU", "LSTM"])
def test_float16_is_rounded_once(operator: str) -> None:
    _compare(operator, 11, 3, direction="bidirectional", optional="blhcp", dtype="float16")


@pytest.mark.parametrize(
    "name",
    [
        *("Relu", "Tanh", "Sigmoid", "Softsign", "Softplus", "LeakyRelu", "ThresholdedRelu"),
        *("Elu", "Affine", "ScaledTanh", "HardSigmoid"),
    ],
)
def test_activations(name: str) -> None:
    for operator, count in FUNCTIONS.items():
        _compare(operator, 9, 2, times=3, optional="b", activations=[name] * count)
        scaled = {"activation_alpha": [0.3] * count, "activation_beta": [0.6] * count}
        names = [name] * count
        _compare(operator, 9, 2, times=3, hostile=True, activations=names, **scaled)


def test_a_length_beyond_the_times_fails_the_run() -> None:
    node = helper.make_node("GRU", ["x", "w", "r", "", "l"], ["y"], hidden_size=2)
    weights = {"w": np.ones((1, 6, 3), np.float32), "r": np.ones((1, 6, 2), np.float32)}
    types = {"x": ("float32", (4, 2, 3)), "l": ("int32", (2,))}
    plan = load(model_of([node], types, ["y"], weights))
    x = np.ones((4, 2, 3), np.float32)
    for lengths in ([5, 1], [-1, 4]):
        for kernel in (*builds(), "reference"):
            with pytest.raises(BadInput):
                plan.run({"x": x, "l": np.array(lengths, np.int32)}, kernel=kernel)

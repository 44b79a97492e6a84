"""Attention and rotary embedding by the kernels: SHAPE-110, SHAPE-111."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper

from synnergy.tensor import load
from synnergy.tensor.kernels.selection import builds
from synnergy.tensor.types import BadInput
from tests.tensor.kernels.same import Array, assert_same, hostile_floats, model_of

BATCH, HEADS, GROUPS, QUERIES, KEYS, PAST, HEAD, VALUE = 2, 4, 2, 5, 7, 3, 8, 6


def _check(
    given: dict[str, tuple[str, tuple[int, ...]]],
    attributes: dict[str, Any],
    outputs: list[str],
    weights: dict[str, Array] | None = None,
) -> None:
    """Run Attention of `given` and `weights`, by their names, on ordinary and hostile numbers."""
    names = ["q", "k", "v", "mask", "past_key", "past_value", "lengths"]
    inputs = [name if name in given or name in (weights or {}) else "" for name in names]
    while not inputs[-1]:
        inputs.pop()
    node = helper.make_node("Attention", inputs, outputs, **attributes)
    content = model_of([node], given, [name for name in outputs if name], weights, opset=24)
    for seed in range(2):
        generator = np.random.default_rng(seed)
        arrays: dict[str, Array] = {}
        for name, (dtype, shape) in given.items():
            if dtype == "bool":
                arrays[name] = generator.random(shape) < 0.6
                arrays[name][..., 0, :] = False
            elif dtype == "int64":
                arrays[name] = generator.integers(0, KEYS + 1, shape)
            else:
                plain = generator.standard_normal(shape).astype(dtype)
                hostile = hostile_floats(shape, dtype, seed)
                arrays[name] = np.where(generator.random(shape) < 0.03 * seed, hostile, plain)
        assert_same(content, arrays)


def _whole(dtype: str = "float32") -> dict[str, tuple[str, tuple[int, ...]]]:
    return {
        "q": (dtype, (BATCH, HEADS, QUERIES, HEAD)),
        "k": (dtype, (BATCH, GROUPS, KEYS, HEAD)),
        "v": (dtype, (BATCH, GROUPS, KEYS, VALUE)),
    }


def _flat(dtype: str = "float32") -> dict[str, tuple[str, tuple[int, ...]]]:
    return {
        "q": (dtype, (BATCH, QUERIES, HEADS * HEAD)),
        "k": (dtype, (BATCH, KEYS, GROUPS * HEAD)),
        "v": (dtype, (BATCH, KEYS, GROUPS * VALUE)),
    }


_COUNTS = {"q_num_heads": HEADS, "kv_num_heads": GROUPS}


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("mode", range(4))
def test_outputs(dtype: str, mode: int) -> None:
    outputs = ["y", "keys", "values", "scores"]
    attributes = {"qk_matmul_output_mode": mode, "softcap": 0.7}
    _check(_whole(dtype), attributes, outputs)
    _check(_flat(dtype), {**attributes, **_COUNTS}, outputs)
    _check(_flat(dtype), _COUNTS, ["y"])


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_cache(dtype: str) -> None:
    past = {
        "past_key": (dtype, (BATCH, GROUPS, PAST, HEAD)),
        "past_value": (dtype, (BATCH, GROUPS, PAST, VALUE)),
    }
    _check({**_whole(dtype), **past}, {"is_causal": 1}, ["y", "keys", "values"])
    _check({**_flat(dtype), **past}, {"is_causal": 1, **_COUNTS}, ["y", "keys", "values"])


@pytest.mark.parametrize("kind", ["bool", "float32"])
@pytest.mark.parametrize(
    "shape", [(QUERIES, KEYS), (BATCH, 1, 1, KEYS), (1, HEADS, QUERIES, KEYS - 2), (KEYS,)]
)
def test_masks(kind: str, shape: tuple[int, ...]) -> None:
    given = {**_whole(), "mask": (kind, (1,) * (2 - len(shape)) + shape)}
    _check(given, {"softmax_precision": 11}, ["y"])
    _check(given, {"left_window_size": 1, "right_window_size": 2, "scale": 0.3}, ["y"])


def test_lengths() -> None:
    lengths = {"lengths": np.array([KEYS, 4], np.int64)}
    _check(_whole(), {"is_causal": 1}, ["y"], lengths)
    _check({**_whole(), "lengths": ("int64", (BATCH,))}, {"is_causal": 1}, ["y"])


@pytest.mark.parametrize("length", [-1, KEYS + 1])
def test_lengths_outside_the_keys(length: int) -> None:
    node = helper.make_node("Attention", ["q", "k", "v", "", "", "", "lengths"], ["y"])
    given = {**_whole(), "lengths": ("int64", (BATCH,))}
    plan = load(model_of([node], given, ["y"], opset=24))
    arrays: dict[str, Array] = {
        name: np.ones(shape, dtype) for name, (dtype, shape) in given.items()
    }
    arrays["lengths"][1] = length
    for name in ("reference", *builds()):
        with pytest.raises(BadInput):
            plan.run(arrays, kernel=name)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("near", [0, 1])
def test_rotary_embedding(dtype: str, near: int) -> None:
    cosines, sines = (
        np.random.default_rng(seed).standard_normal((9, 3)).astype(dtype) for seed in (0, 1)
    )
    positions = np.array([[3, 0, 8, 2, 1], [0, 1, 2, 3, 4]], np.int64)
    for shape, more in (((2, 4, 5, 8), {}), ((2, 5, 32), {"num_heads": 4})):
        node = helper.make_node(
            "RotaryEmbedding",
            ["x", "cosines", "sines", "positions"],
            ["y"],
            interleaved=near,
            rotary_embedding_dim=6,
            **more,
        )
        weights = {"cosines": cosines, "sines": sines, "positions": positions}
        content = model_of([node], {"x": (dtype, shape)}, ["y"], weights, opset=23)
        assert_same(content, {"x": hostile_floats(shape, dtype)})
    names = ["x", "cosines", "sines", "positions"]
    node = helper.make_node("RotaryEmbedding", names, ["y"], interleaved=near)
    given = {"x": (dtype, (2, 4, 5, 6)), "positions": ("int64", (2, 5))}
    plan = load(model_of([node], given, ["y"], {"cosines": cosines, "sines": sines}, opset=23))
    x = hostile_floats((2, 4, 5, 6), dtype)
    assert_same(plan, {"x": x, "positions": positions - 5})
    for name in ("reference", *builds()):
        with pytest.raises(BadInput):
            plan.run({"x": x, "positions": positions + 1}, kernel=name)
    node = helper.make_node("RotaryEmbedding", ["x", "c", "s"], ["y"], interleaved=near)
    given = {"x": (dtype, (2, 4, 5, 8)), "c": (dtype, (2, 5, 4)), "s": (dtype, (2, 5, 4))}
    arrays = {name: hostile_floats(kind[1], dtype, 3) for name, kind in given.items()}
    assert_same(model_of([node], given, ["y"], opset=23), arrays)

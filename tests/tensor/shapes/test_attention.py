"""Attention and rotary embeddings against ONNX's own reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

from synnergy.tensor.types import Array, BadInput, Refuse

from .oracle import infer, make, model_of, ours

RNG = np.random.default_rng(17)
BATCH, HEADS, GROUPS, QUERIES, KEYS, HEAD, VALUE = 2, 4, 2, 3, 5, 6, 7


def floats(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


def tensors() -> list[Array | None]:
    return [
        floats(BATCH, HEADS, QUERIES, HEAD),
        floats(BATCH, GROUPS, KEYS, HEAD),
        floats(BATCH, GROUPS, KEYS, VALUE),
    ]


def compare(inputs: list[Array | None], attributes: dict[str, Any], outputs: int = 1) -> None:
    proto = make("Attention", inputs, attributes, outputs)
    results = ours(proto, inputs, 25)
    names = zip(proto.input, inputs, strict=True)
    feed = {name: array for name, array in names if array is not None}
    expected = ReferenceEvaluator(model_of(proto, inputs, 25)).run(None, feed)
    for result, wanted in zip(results, expected, strict=True):
        np.testing.assert_allclose(result, wanted, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("mode", [0, 1, 2, 3])
@pytest.mark.parametrize("causal", [0, 1])
def test_modes(mode: int, causal: int) -> None:
    """SHAPE-110"""
    options = {"qk_matmul_output_mode": mode, "is_causal": causal, "scale": 0.3}
    if mode:  # the reference shows capped scores as raw ones
        options["softcap"] = 1.5
    compare([*tensors(), floats(QUERIES, KEYS)], options, 4)


@pytest.mark.parametrize("kind", ["bool", "float32"])
@pytest.mark.parametrize("shape", [(QUERIES, KEYS), (HEADS, 1, KEYS), (BATCH, 1, QUERIES, KEYS)])
def test_masks(kind: str, shape: tuple[int, ...]) -> None:
    """SHAPE-110"""
    mask = floats(*shape)
    compare([*tensors(), mask > 0.3 if kind == "bool" else mask], {})


def test_flat_heads_past_and_lengths() -> None:
    """SHAPE-110"""
    flat = [floats(BATCH, QUERIES, HEADS * HEAD), floats(BATCH, KEYS, GROUPS * HEAD)]
    flat.append(floats(BATCH, KEYS, GROUPS * VALUE))
    compare([*flat], {"q_num_heads": HEADS, "kv_num_heads": GROUPS})
    past = [floats(BATCH, GROUPS, 4, HEAD), floats(BATCH, GROUPS, 4, VALUE)]
    compare([*tensors(), None, *past], {"is_causal": 1}, 3)
    lengths = np.array([1, 5], np.int64)
    compare([*tensors(), None, None, None, lengths], {"is_causal": 1})


def test_a_query_that_sees_nothing_is_zero() -> None:
    """SHAPE-110"""
    mask = np.zeros((QUERIES, KEYS), bool)
    mask[1] = True
    inputs = [*tensors(), mask]
    y, _, _, shares = ours(make("Attention", inputs, {"qk_matmul_output_mode": 3}, 4), inputs, 24)
    assert not y[:, :, 0].any() and not shares[:, :, 2].any()
    np.testing.assert_allclose(shares[:, :, 1].sum(axis=-1), 1, rtol=1e-6)


def test_a_batch_cannot_change_a_row() -> None:
    inputs = tensors()
    (whole,) = ours(make("Attention", inputs), inputs, 23)
    alone = [None if array is None else array[1:] for array in inputs]
    (row,) = ours(make("Attention", alone), alone, 23)
    assert row.tobytes() == whole[1:].tobytes()


def test_an_impossible_length_is_bad_input() -> None:
    inputs = [*tensors(), None, None, None, np.array([6, 1], np.int64)]
    with pytest.raises(BadInput, match="nonpad_kv_seqlen"):
        ours(make("Attention", inputs), inputs, 24)


@pytest.mark.parametrize(
    "attributes",
    [
        {"scale": -1.0},
        {"scale": float("nan")},
        {"softcap": float("inf")},
        {"softmax_precision": 16},
        {"qk_matmul_output_mode": 4},
        {"left_window_size": -2},
    ],
)
def test_hostile_attributes_are_refused(attributes: dict[str, Any]) -> None:
    """SHAPE-1"""
    inputs = tensors()
    with pytest.raises(Refuse):
        infer(make("Attention", inputs, attributes), inputs, 25)

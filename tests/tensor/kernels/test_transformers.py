"""A layer of an encoder and of a decoder by the kernels, whole: TENSOR-1."""

from __future__ import annotations

import numpy as np

from bench.nets import decoder, encoder
from tests.tensor.kernels.same import Array, assert_same


def test_encoder() -> None:
    tokens = np.random.default_rng(0).integers(0, 50, (1, 128))
    mask = np.ones((1, 128), np.int64)
    mask[:, 90:] = 0
    results = assert_same(encoder(layers=1, vocabulary=50), {"tokens": tokens, "mask": mask})
    assert all(np.isfinite(result).all() for result in results.values())


def test_decoder() -> None:
    generator = np.random.default_rng(1)
    arrays: dict[str, Array] = {
        f"past_{name}_{layer}": generator.standard_normal((3, 8, 21, 32)).astype(np.float32)
        for name in ("key", "value")
        for layer in range(2)
    }
    arrays["token"] = generator.integers(0, 50, (3, 1))
    arrays["place"] = np.full((3, 1), 21)
    results = assert_same(decoder(layers=2, vocabulary=50, past=21), arrays)
    assert all(np.isfinite(result).all() for result in results.values())

"""Fourier transforms, losses, boxes and bits where ONNX's own tests don't look."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synnergy.tensor import fourier
from synnergy.tensor.types import BadInput, Refuse

from .oracle import infer, make, ours
from .seeds import floats, ints


@settings(deadline=None, max_examples=40)
@given(length=st.integers(1, 140), sign=st.sampled_from([-1, 1]))
def test_every_length_is_transformed(length: int, sign: int) -> None:
    """SHAPE-140"""
    real, imaginary = (floats(2, length, start=start, dtype="float64") for start in (-1.0, 0.3))
    first, second = fourier.transform(real, imaginary, sign)
    signal = real + 1j * imaginary
    expected = np.fft.fft(signal) if sign < 0 else np.fft.ifft(signal) * length
    np.testing.assert_allclose(first + 1j * second, expected, atol=1e-11)


def test_a_length_with_a_large_prime_factor_is_refused() -> None:
    """SHAPE-140"""
    x = np.zeros((1, 2 * 1031, 1), np.float32)
    with pytest.raises(Refuse, match="prime factor"):
        infer(make("DFT", [x]), [x], 22)


def test_classes_that_do_not_exist() -> None:
    """SHAPE-120"""
    x, labels = floats(2, 3), ints(1, 3)
    with pytest.raises(BadInput, match="class 3"):
        ours(make("NegativeLogLikelihoodLoss", [x, labels]), [x, labels], 22)
    ignoring = make("NegativeLogLikelihoodLoss", [x, labels], {"ignore_index": 3})
    (loss,) = ours(ignoring, [x, labels], 22)
    assert loss == -x[0, 1]


def test_no_box_of_a_score_that_is_not_a_number() -> None:
    """SHAPE-134"""
    boxes = np.array([[[0, 0, 1, 1], [2, 2, 3, 3], [4, 4, 5, 5]]], np.float32)
    scores = np.array([[[np.nan, 0.5, 0.5]]], np.float32)
    inputs = [boxes, scores, ints(3)]
    (chosen,) = ours(make("NonMaxSuppression", inputs), inputs, 11, range(3))
    assert chosen.tolist() == [[0, 0, 1], [0, 0, 2]]


def test_no_payload_shows_in_bits() -> None:
    """TENSOR-4"""
    x = np.array([0xFFC12345, 0x80000000], np.uint32).view(np.float32)
    (bits,) = ours(make("BitCast", [x], {"to": 12}), [x], 26)
    assert bits.tolist() == [0x7FC00000, 0x80000000]


def test_an_update_beyond_the_cache() -> None:
    """SHAPE-39"""
    inputs = [floats(1, 4, 2), floats(1, 2, 2), ints(3)]
    with pytest.raises(BadInput, match="doesn't fit"):
        ours(make("TensorScatter", inputs), inputs, 24)

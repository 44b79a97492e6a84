"""Nets of 8-bit integers, made of those of float32 by ONNX Runtime's own tools."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnxruntime import quantization

from bench import nets

Array = nets.Array


class _Examples(quantization.CalibrationDataReader):
    """Inputs of which ranges are taken."""

    def __init__(self, examples: list[dict[str, Array]]) -> None:
        self._left = iter(examples)

    def get_next(self) -> dict[str, Array] | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        return next(self._left, None)


def _converted(content: bytes, convert: Callable[[str, str], None]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "given.onnx", Path(folder) / "made.onnx"
        given.write_bytes(content)
        convert(str(given), str(made))
        return made.read_bytes()


def dynamic(content: bytes) -> bytes:
    """Weights of 8 bits; ranges of what is multiplied with them are found in each run."""
    kind = quantization.QuantType.QInt8
    return _converted(
        content, lambda given, made: quantization.quantize_dynamic(given, made, weight_type=kind)
    )


def static(content: bytes) -> bytes:
    """QLinearConv of ranges found beforehand on random inputs, a scale for each filter."""
    generator = np.random.default_rng(0)
    (entry,) = onnx.load_from_string(content).graph.input
    shape = [each.dim_value or 4 for each in entry.type.tensor_type.shape.dim]
    examples = [{entry.name: generator.standard_normal(shape).astype(np.float32)}]

    def convert(given: str, made: str) -> None:
        quantization.quantize_static(
            *(given, made, _Examples(examples)),
            quant_format=quantization.QuantFormat.QOperator,
            op_types_to_quantize=["Conv"],
            per_channel=True,
            weight_type=quantization.QuantType.QInt8,
        )

    return _converted(content, convert)

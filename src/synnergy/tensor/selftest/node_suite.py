"""ONNX's own node tests as cases: their models, with values of ours where they take floats."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

from synnergy.tensor.selftest import values
from synnergy.tensor.selftest.case import Case
from synnergy.tensor.types import Array

#: Fewer floats than these are parameters, such as bounds and scales, and stay as they are.
_FEWEST = 6
#: More elements than these make a case long, and prove nothing more.
_MOST = 1 << 16


def node_suite() -> Iterator[Case]:
    """Every node test whose inputs are all tensors. Opens no network connection."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tests: list[Any] = sorted(load_model_tests(kind="node"), key=lambda test: test.name)
    for test in tests:
        given = _given(test)
        if given is None or sum(array.size for array in given.values()) > _MOST:
            continue
        content = test.model.SerializeToString(deterministic=True)
        feeds = [_with(values.ordinary, test.name, given)]
        if any(_replaced(array) for array in given.values()):
            feeds.append(_with(values.hostile, test.name, given))
        yield Case(f"onnx/{test.name}", content, tuple(feeds))


def _given(test: Any) -> dict[str, Array] | None:
    names = [entry.name for entry in test.model.graph.input]
    arrays: list[Array] = []
    for value in test.data_sets[0][0]:
        if isinstance(value, list) or value is None:
            return None
        array = numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value
        array = np.asarray(array)
        arrays.append(array.astype(object) if array.dtype.kind in "US" else array)
    return dict(zip(names, arrays, strict=False))


def _replaced(array: Array) -> bool:
    return str(array.dtype) in ("float16", "float32", "float64") and array.size >= _FEWEST


def _with(make: Any, test: str, given: Mapping[str, Array]) -> dict[str, Array]:
    return {
        name: make(f"{test}/{name}", array.shape, str(array.dtype)) if _replaced(array) else array
        for name, array in given.items()
    }

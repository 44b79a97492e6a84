"""TENSOR-1: digests of results on fixed inputs, so that bits can never change unnoticed.

A change here is a change of the protocol. Run this file as a script to write new digests, and
say in a decision record why every receipt made before would no longer verify.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

from synnergy.tensor import encode_tensors, load, numerics
from tests.tensor.core.building import bits, single, uniform
from tests.tensor.core.test_onnx_runtime import CASES, Case

GOLDEN = Path(__file__).with_name("golden_bits.json")

FUNCTIONS = ["acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "erf", "exp"]
FUNCTIONS += ["expm1", "log", "log1p", "reciprocal", "sigmoid", "sin", "sinh", "softplus"]
FUNCTIONS += ["sqrt", "tan", "tanh"]


def digest(array: Any) -> str:
    canonical = numerics.canonicalise(np.asarray(array))
    little = canonical.astype(canonical.dtype.newbyteorder("<"), copy=False)
    return hashlib.sha256(little.tobytes()).hexdigest()


def numbers(name: str, dtype: str) -> Any:
    """Ordinary numbers and random bits."""
    parts = [uniform(name, (2000,), dtype, 8.0), uniform(name, (500,), dtype, 200.0)]
    return np.concatenate([*parts, bits(name, 3000, dtype)])


def function_digest(name: str, dtype: str) -> str:
    return digest(getattr(numerics, name)(numbers(name, dtype)))


def power_digest(dtype: str) -> str:
    return digest(numerics.power(numbers("base", dtype), numbers("exponent", dtype)))


def sum_digest(dtype: str) -> str:
    x = uniform("sum", (7, 100, 11), dtype)
    parts = [numerics.ordered_sum(x, axis).reshape(-1) for axis in (0, 1, 2, (0, 2), None)]
    return digest(np.concatenate([np.asarray(part).reshape(-1) for part in parts]))


def matmul_digest(dtype: str) -> str:
    a, b = uniform("left", (9, 700), dtype), uniform("right", (700, 33), dtype)
    return digest(numerics.matmul(a, b, uniform("start", (33,), dtype)))


def fma_digest() -> str:
    return digest(numerics.fma(*(bits(f"fma{i}", 20000, "float32") for i in range(3))))


def case_digest(case: Case, dtype: str) -> str:
    """Of a node's results, float inputs being of another type than float32 where asked."""
    arrays = [
        array.astype(dtype) if array is not None and array.dtype == np.float32 else array
        for array in case.arrays()
    ]
    proto, fed = single(
        case.operator, arrays, case.until, case.outputs, case.constants, **case.attributes
    )
    results = load(proto.SerializeToString()).execute(fed)
    return hashlib.sha256(encode_tensors(results)).hexdigest()


def every() -> dict[str, Callable[[], str]]:
    """What is pinned, by name."""
    pinned: dict[str, Callable[[], str]] = {"fma": fma_digest}
    for dtype in ("float16", "float32", "float64"):
        for name in FUNCTIONS:
            pinned[f"{name}/{dtype}"] = lambda name=name, dtype=dtype: function_digest(name, dtype)
        pinned[f"power/{dtype}"] = lambda dtype=dtype: power_digest(dtype)
        pinned[f"sum/{dtype}"] = lambda dtype=dtype: sum_digest(dtype)
        pinned[f"matmul/{dtype}"] = lambda dtype=dtype: matmul_digest(dtype)
        for index, case in enumerate(CASES):
            key = f"{index}-{case.operator}/{dtype}"
            pinned[key] = lambda case=case, dtype=dtype: case_digest(case, dtype)
    return pinned


EVERY = every()


@pytest.mark.parametrize("name", sorted(EVERY))
def test_bits_are_what_they_were(name: str) -> None:
    assert EVERY[name]() == json.loads(GOLDEN.read_text())[name]


def test_nothing_pinned_was_dropped() -> None:
    assert set(json.loads(GOLDEN.read_text())) == set(EVERY)


def test_bits_do_not_depend_on_simd_dispatch() -> None:
    """The same digests with numpy's optional instruction sets switched off."""
    optional = [name for name in __cpu_dispatch__ if __cpu_features__.get(name)]
    environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(optional)}
    command = [sys.executable, "-m", "tests.tensor.core.test_golden_bits", "compare"]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def main(words: list[str]) -> int:
    digests = {name: EVERY[name]() for name in sorted(EVERY)}
    if words == ["compare"]:
        recorded = json.loads(GOLDEN.read_text())
        print(*(name for name in digests if digests[name] != recorded.get(name)))
        return int(digests != recorded)
    GOLDEN.write_text(json.dumps(digests, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The bits of every operator, once and for all: a change here is a change of consensus.

python -m tests.tensor.ml.test_golden      # writes golden.json anew
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from synnergy.tensor.numerics import canonicalise
from tests.tensor.ml.forests import Shape, forest, rows
from tests.tensor.ml.oracle import run_node
from tests.tensor.ml.seeds import SEEDS, Seed, node_of

GOLDEN = Path(__file__).with_name("golden.json")


def _drawn(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Multiples of 1/64, so that the case itself does not depend on a library's rounding."""
    return (rng.integers(-256, 257, size=shape) / 64).astype(np.float32)


def _larger() -> dict[str, Seed]:
    """Cases in which the order of additions and every function shows."""
    rng = np.random.default_rng(20)
    cases: dict[str, Seed] = {}
    x = _drawn(rng, 12, 3)
    for name in ("SVMClassifier", "SVMRegressor"):
        for kernel in ("LINEAR", "POLY", "RBF", "SIGMOID"):
            seed = SEEDS[name]
            attributes = {
                **seed.attributes,
                "kernel_type": kernel,
                "kernel_params": [0.5, 0.25, 2.5],
            }
            cases[f"{name} {kernel}"] = seed._replace(attributes=attributes, inputs=[x])
    for transform in ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"):
        weights = _drawn(rng, 5 * 300).tolist()
        attributes = {
            "coefficients": weights,
            "intercepts": _drawn(rng, 5).tolist(),
            "classlabels_ints": [1, 2, 3, 4, 5],
            "post_transform": transform,
        }
        wide = [_drawn(rng, 4, 300) / 256]
        cases[f"LinearClassifier {transform}"] = Seed(
            "ai.onnx.ml", "LinearClassifier", attributes, wide, 2
        )
    for targets in (1, 3):
        for dtype in (np.float32, np.float64):
            shape = Shape(trees=40, targets=range(targets), missing=True, whole=True)
            seed = Seed(
                "ai.onnx.ml",
                "TreeEnsembleRegressor",
                {**forest(rng, shape, "target"), "n_targets": targets},
                [rows(rng, shape, 20).astype(dtype)],
            )
            cases[f"TreeEnsembleRegressor {targets} {np.dtype(dtype).name}"] = seed
    cases["Normalizer L1"] = SEEDS["Normalizer"]._replace(
        attributes={"norm": "L1"}, inputs=[_drawn(rng, 5, 70)]
    )
    return cases


CASES = {**SEEDS, **_larger()}


def digest(seed: Seed) -> str:
    """SHA-256 of types, shapes and bits of all outputs, NaN canonicalised."""
    outputs, _ = run_node(node_of(seed), list(seed.inputs))
    state = hashlib.sha256()
    for output in outputs:
        state.update(f"{output.dtype} {output.shape}\n".encode())
        if output.dtype == object:
            state.update(json.dumps(output.tolist()).encode())
        else:
            state.update(np.ascontiguousarray(canonicalise(output)).tobytes())
    return state.hexdigest()


@pytest.mark.parametrize("name", CASES)
def test_bits_are_golden(name: str) -> None:
    assert digest(CASES[name]) == json.loads(GOLDEN.read_text())[name]


def test_no_golden_case_is_forgotten() -> None:
    assert set(json.loads(GOLDEN.read_text())) == set(CASES)


if __name__ == "__main__":
    digests = {name: digest(seed) for name, seed in CASES.items()}
    GOLDEN.write_text(json.dumps(digests, indent=1) + "\n")

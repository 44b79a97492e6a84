"""ONNX's own node tests: each is computed to within its tolerance, or refused with a reason.

`node_suite_refused.json` lists what is refused today; a test missing there must be computed.
Run this file as a script to write the list anew.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

from synnergy.tensor import Plan, Unsupported, load
from tests.tensor.core.conftest import SUITE_COUNTS

REFUSED = Path(__file__).with_name("node_suite_refused.json")

SKIPPED = {
    "test_attention_4d_causal_fp16_expanded": "the suite rounds inside float16 dot products; one "
    "last bit of float16 is more than its tolerance",
}

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    TESTS = {test.name: test for test in load_model_tests(kind="node")}


def as_array(value: Any) -> Any:
    array = numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value
    array = np.asarray(array)
    return array.astype(object) if array.dtype.kind in "US" else array


def plans(model: onnx.ModelProto, given: dict[str, Any]) -> tuple[Plan, dict[str, Any]]:
    """A plan and the inputs left to feed. Shapes may depend on the values of inputs: then these
    become constants of the model, all but the first, or all."""
    names = list(given)
    for constant in ([], names[1:], names):
        copied = onnx.ModelProto()
        copied.CopyFrom(model)
        for name in constant:
            entry = next(entry for entry in copied.graph.input if entry.name == name)
            copied.graph.input.remove(entry)
            copied.graph.initializer.append(numpy_helper.from_array(given[name], name))
        left = {name: array for name, array in given.items() if name not in constant}
        try:
            shapes = {name: array.shape for name, array in left.items()}
            return load(copied.SerializeToString(), shapes=shapes), left
        except Unsupported as error:
            depends = "known before running" in str(error) or "depends on" in str(error)
            if not depends or constant == names:
                raise
    raise AssertionError


def check(test: Any) -> None:
    for inputs, wanted in test.data_sets:
        if any(isinstance(value, (list, type(None))) for value in inputs):
            load(test.model.SerializeToString())  # refuses sequences and optionals
        names = [entry.name for entry in test.model.graph.input]
        given = {name: as_array(value) for name, value in zip(names, inputs, strict=False)}
        plan, fed = plans(test.model, given)
        results = plan.execute(fed)
        assert len(results) == len(wanted)
        for (_, _, result), expected in zip(results, map(as_array, wanted), strict=True):
            assert result.shape == expected.shape
            if expected.dtype == object:
                assert (result == expected).all()
                continue
            assert result.dtype == expected.dtype
            np.testing.assert_allclose(
                result.astype(np.float64) if result.dtype.kind == "f" else result,
                expected.astype(np.float64) if result.dtype.kind == "f" else expected,
                rtol=test.rtol,
                atol=test.atol,
            )


def allowed() -> set[str]:
    return {name for names in json.loads(REFUSED.read_text()).values() for name in names}


@pytest.mark.parametrize("name", sorted(TESTS))
def test_node(name: str) -> None:
    if name in SKIPPED:
        SUITE_COUNTS["skipped"] += 1
        pytest.skip(SKIPPED[name])
    try:
        check(TESTS[name])
    except Unsupported as error:
        SUITE_COUNTS["refused"] += 1
        assert str(error)
        assert name in allowed(), f"newly refused: {error}"
    else:
        SUITE_COUNTS["passed"] += 1


def main() -> None:
    refused: dict[str, list[str]] = {}
    for name, test in sorted(TESTS.items()):
        try:
            if name not in SKIPPED:
                check(test)
        except Unsupported as error:
            problem = error.problems[0]
            refused.setdefault(f"{problem.operator}: {problem.reason}", []).append(name)
    REFUSED.write_text(json.dumps(dict(sorted(refused.items())), indent=1) + "\n")


if __name__ == "__main__":
    main()

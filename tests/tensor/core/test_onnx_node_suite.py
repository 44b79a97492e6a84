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

from synnergy.tensor import Unsupported, load
from tests.tensor.core.conftest import SUITE_COUNTS

REFUSED = Path(__file__).with_name("node_suite_refused.json")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    TESTS = {test.name: test for test in load_model_tests(kind="node")}


def as_array(value: Any) -> Any:
    array = numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value
    array = np.asarray(array)
    return array.astype(object) if array.dtype.kind in "US" else array


def agrees(result: Any, expected: Any, test: Any) -> None:
    expected = as_array(expected)
    result = as_array(result)
    assert result.shape == expected.shape
    if expected.dtype == object:
        assert (result == expected).all()
        return
    assert result.dtype == expected.dtype
    floats = result.dtype.kind == "f"
    np.testing.assert_allclose(
        result.astype(np.float64) if floats else result,
        expected.astype(np.float64) if floats else expected,
        rtol=test.rtol,
        atol=test.atol,
    )


def check(test: Any) -> None:
    """Load the model as it is, run it on every input that the suite gives."""
    plan = load(test.model.SerializeToString())
    for inputs, wanted in test.data_sets:
        names = [entry.name for entry in test.model.graph.input]
        given = {name: as_array(value) for name, value in zip(names, inputs, strict=False)}
        results = plan.run(given)
        assert list(results) == [entry.name for entry in test.model.graph.output]
        for result, expected in zip(results.values(), wanted, strict=True):
            agrees(result, expected, test)


def allowed() -> set[str]:
    return {name for names in json.loads(REFUSED.read_text()).values() for name in names}


@pytest.mark.parametrize("name", sorted(TESTS))
def test_node(name: str) -> None:
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
            check(test)
        except Unsupported as error:
            problem = error.problems[0]
            refused.setdefault(f"{problem.operator}: {problem.reason}", []).append(name)
    REFUSED.write_text(json.dumps(dict(sorted(refused.items())), indent=1) + "\n")


if __name__ == "__main__":
    main()

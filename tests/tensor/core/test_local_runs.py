"""What only local runs do: shapes that follow from values, and folding of large constants."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from synnergy.tensor import LEDGER_LIMITS, BadInput, load
from tests.tensor.core.building import model


def test_a_shape_from_an_input_runs_and_no_ledger_takes_it() -> None:
    node = helper.make_node("Reshape", ["x", "shape"], ["y"])
    kinds = {"x": (np.float32, [4]), "shape": (np.int64, [2])}
    proto = model([node, helper.make_node("Neg", ["y"], ["z"])], kinds, ["z"])
    plan = load(proto.SerializeToString())
    x = np.arange(4, dtype=np.float32)
    assert plan.run({"x": x, "shape": np.array([2, 2])})["z"].tolist() == [[-0.0, -1], [-2, -3]]
    assert plan.run({"x": x, "shape": np.array([4, 1])})["z"].shape == (4, 1)
    (problem,) = plan.ledger_problems()
    assert (problem.operator, problem.node) == ("Reshape", "#0")
    assert "input shape" in problem.reason
    with pytest.raises(BadInput, match="don't fit shape"):
        plan.run({"x": x, "shape": np.array([3, 3])})


def test_thirty_million_elements_fold_here_and_not_on_a_ledger() -> None:
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
        helper.make_node("Exp", ["zeros"], ["ones"]),
        helper.make_node("ReduceMax", ["ones"], ["top"], keepdims=0),
        helper.make_node("Add", ["x", "top"], ["y"]),
    ]
    proto = model(nodes, {"x": (np.float32, [1])}, ["y"], {"shape": np.array([30_000_000])})
    content = proto.SerializeToString()
    assert load(content).specialise({"x": (1,)}).folded == {0, 1, 2}
    assert not load(content, LEDGER_LIMITS).specialise({"x": (1,)}).folded
